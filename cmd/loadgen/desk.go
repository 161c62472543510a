package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
)

// desk is where a command shows and writes what it measures.
type desk struct {
	json    io.Writer // nil: nowhere, or file
	file    *outputFile
	report  *outputFile
	serving *serving
	screen  screen
	human   io.Writer
	log     io.Writer
}

// newDesk opens all that a command is to write, so that what cannot be is found out before the first run.
func newDesk(cmd *cobra.Command, o *outputs) (*desk, error) {
	d := &desk{human: cmd.OutOrStdout(), log: cmd.ErrOrStderr(), serving: newServing()}
	if err := d.open(o); err != nil {
		d.close()
		return nil, err
	}
	d.screen = newScreen(o.live, d.human)
	for _, a := range d.serving.addresses {
		say(d.human, "%s", a)
	}
	return d, nil
}

func (d *desk) open(o *outputs) (err error) {
	if o.json == "-" {
		d.json, d.human = d.human, d.log
	} else if d.file, err = openOutput("json", o.json); err != nil {
		return err
	}
	if d.report, err = openOutput("report", o.report); err != nil {
		return err
	}
	return d.serving.open(o)
}

func (d *desk) close() {
	d.serving.close()
	d.file.close()
	d.report.close()
}

// write writes a result, under a title, to --json and --report.
func (d *desk) write(title string, result any) error {
	b, err := json.MarshalIndent(result, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the result: %w", err)
	}
	b = append(b, '\n')
	if d.json != nil {
		if _, err := d.json.Write(b); err != nil {
			return fmt.Errorf("writing the result: %w", err)
		}
	}
	err = d.file.write(b)
	if d.report != nil {
		page, pageErr := reportPage(title, result)
		if pageErr == nil {
			pageErr = d.report.write(page)
		}
		err = errors.Join(err, pageErr)
	}
	return err
}

// conclude prints and writes a run's result, and returns an error unless it was good and met what was required.
func (d *desk) conclude(r runResult, o *outputs, began time.Time) error {
	d.screen.end()
	r.basics().Unmet = append([]string{}, unmet(o.requirements, r)...)
	r.print(d.human, time.Since(began))
	if err := d.write(r.title(), r); err != nil {
		return err
	}
	return r.verdict()
}
