package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
)

// output shows what a command measures while it runs, and writes its results.
type output struct {
	json    io.Writer // standard output; nil for none, or if file is set
	file    *outputFile
	report  *outputFile
	serving *serving
	screen  screen
	human   io.Writer
	log     io.Writer
}

// newOutput opens all files and ports that a command needs, so that a wrong one is found before the
// first run.
func newOutput(cmd *cobra.Command, c *outputConfig) (*output, error) {
	o := &output{human: cmd.OutOrStdout(), log: cmd.ErrOrStderr(), serving: newServing()}
	if err := o.open(c); err != nil {
		o.close()
		return nil, err
	}
	o.screen = newScreen(c.live, o.human)
	for _, a := range o.serving.addresses {
		say(o.human, "%s", a)
	}
	return o, nil
}

func (o *output) open(c *outputConfig) (err error) {
	if c.json == "-" {
		o.json, o.human = o.human, o.log
	} else if o.file, err = openOutput("json", c.json); err != nil {
		return err
	}
	if o.report, err = openOutput("report", c.report); err != nil {
		return err
	}
	return o.serving.open(c)
}

func (o *output) close() {
	o.serving.close()
	o.file.close()
	o.report.close()
}

// write writes a result, under a title, to --json and --report.
func (o *output) write(title string, result any) error {
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
	err = o.file.write(b)
	if o.report != nil {
		page, pageErr := reportPage(title, result)
		if pageErr == nil {
			pageErr = o.report.write(page)
		}
		err = errors.Join(err, pageErr)
	}
	return err
}

// conclude prints and writes a run's result. It returns an error unless the run was good and met
// all requirements.
func (o *output) conclude(r runResult, c *outputConfig, began time.Time) error {
	o.screen.end()
	r.basics().Unmet = append([]string{}, unmet(c.requirements, r)...)
	r.print(o.human, time.Since(began))
	if err := o.write(r.title(), r); err != nil {
		return err
	}
	return r.verdict()
}
