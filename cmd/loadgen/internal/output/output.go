package output

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/lanecast/lanecast/cmd/loadgen/internal/cli"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/measure"
	"github.com/lanecast/lanecast/cmd/loadgen/internal/report"
)

// Output shows the measurements of a command while it runs, and writes its results.
type Output struct {
	json    io.Writer // standard output; nil for none, or if file is set
	file    *File
	report  *File
	series  *File
	begun   int    // runs whose series began
	stage   string // of the last
	failed  error  // of writing the series
	serving *serving
	Screen  Screen
	Human   io.Writer
	Log     io.Writer
}

// New opens all files and ports that a command needs, so that an unusable one is found before the
// first run.
func New(cmd *cobra.Command, c *Config) (*Output, error) {
	o := &Output{Human: cmd.OutOrStdout(), Log: cmd.ErrOrStderr(), serving: newServing()}
	if err := o.open(c); err != nil {
		o.Close()
		return nil, err
	}
	o.Screen = newScreen(c.Live, o.Log)
	for _, a := range o.serving.addresses {
		cli.Say(o.Log, "%s", a)
	}
	return o, nil
}

func (o *Output) open(c *Config) (err error) {
	if c.json == "-" {
		o.json, o.Human = o.Human, o.Log
	} else if o.file, err = OpenFile("json", c.json); err != nil {
		return err
	}
	if o.report, err = OpenFile("report", c.report); err != nil {
		return err
	}
	if o.series, err = OpenFile("series", c.series); err != nil {
		return err
	}
	return o.serving.open(c)
}

// Close closes all files and ports. Files to which nothing was written keep their content.
func (o *Output) Close() {
	o.serving.close()
	o.file.Close()
	o.report.Close()
	o.series.Close()
}

// Write writes a result, under a title, to --json and --report.
func (o *Output) Write(title string, result any) error {
	b, err := json.MarshalIndent(result, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the result: %w", err)
	}
	b = append(b, '\n')
	if o.json != nil {
		if _, err := o.json.Write(b); err != nil {
			return fmt.Errorf("writing the result: %w", err)
		}
	}
	err = errors.Join(o.failed, o.file.Write(b))
	if o.report != nil {
		page, pageErr := report.Page(title, result)
		if pageErr == nil {
			pageErr = o.report.Write(page)
		}
		err = errors.Join(err, pageErr)
	}
	return err
}

// Conclude prints and writes a run's result. It returns an error unless the run was good and met
// all requirements.
func (o *Output) Conclude(r report.Result, c *Config, began time.Time) error {
	o.Screen.End()
	r.Basics().Environment.Tags = c.Labels()
	report.Conclude(r, c.requirements)
	r.Print(o.Human, time.Since(began))
	if err := o.Write(r.Title(), r); err != nil {
		return err
	}
	return r.Verdict()
}

// Show sets the registry whose metrics --metrics serves.
func (o *Output) Show(r *measure.Registry) { o.serving.show(r) }

// StartProfile begins a CPU profile.
func (o *Output) StartProfile() *Profile { return o.serving.startProfile() }

// BeginSeries begins another run, at a stage, for the following frames.
func (o *Output) BeginSeries(stage string) { o.begun, o.stage = o.begun+1, stage }

// seriesLine is a line of --series.
type seriesLine struct {
	Run   int    `json:"run"`
	Stage string `json:"stage"`
	Time  string `json:"time"` // RFC 3339
	measure.Point
}

// Update shows a frame, and writes its point to --series.
func (o *Output) Update(f Frame) {
	o.Screen.Update(f)
	if o.series == nil || o.failed != nil {
		return
	}
	b, err := json.Marshal(seriesLine{o.begun, o.stage, time.Now().UTC().Format(time.RFC3339Nano), f.Point})
	if err == nil {
		err = o.series.Append(append(b, '\n'))
	}
	o.failed = err
}
