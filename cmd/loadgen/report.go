package main

import (
	"bytes"
	_ "embed" // the page and the chart library
	"encoding/json"
	"fmt"
	"html/template"
	"os"
)

// The page. uPlot draws the charts (report/uplot, MIT licence); everything is put into one file, which loads nothing.
var (
	//go:embed report/page.html
	reportPage string
	//go:embed report/page.js
	reportScript string
	//go:embed report/page.css
	reportStyle string
	//go:embed report/uplot/uPlot.iife.min.js
	uplotScript string
	//go:embed report/uplot/uPlot.min.css
	uplotStyle string
	//go:embed report/uplot/LICENSE
	uplotLicence string
)

var reportTemplate = template.Must(template.New("page").Parse(reportPage))

func writeNodeReport(f *os.File, r *nodeResult) error {
	return writeReport(f, fmt.Sprintf("loadgen node, %d validators, %d sequencers", r.Validators, r.Sequencers), r)
}

func writeSweepReport(f *os.File, r *sweepResult) error {
	return writeReport(f, fmt.Sprintf("loadgen sweep, %d runs", len(r.Runs)), r)
}

// writeReport writes the page of a result. Its script draws what is in the result, which is in the page as JSON.
func writeReport(f *os.File, title string, result any) error {
	data, err := json.Marshal(result) // escapes <, > and &: the text cannot end the script element
	if err != nil {
		return fmt.Errorf("--report: %w", err)
	}
	var page bytes.Buffer
	err = reportTemplate.Execute(&page, map[string]any{
		"Title": title, "Data": template.JS(data), "Script": template.JS(reportScript), "Style": template.CSS(reportStyle),
		"Library": template.JS(uplotScript), "LibraryStyle": template.CSS(uplotStyle), "Licence": uplotLicence,
	})
	if err != nil {
		return fmt.Errorf("--report: %w", err)
	}
	if err := replace(f, page.Bytes()); err != nil {
		return fmt.Errorf("--report: %w", err)
	}
	return nil
}
