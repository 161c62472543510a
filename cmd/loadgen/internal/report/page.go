package report

import (
	"bytes"
	_ "embed" // the page and the chart library
	"encoding/json"
	"fmt"
	"html/template"
)

// The parts of the page. uPlot draws the charts (page/uplot, MIT licence); all parts go into one
// file, which loads nothing.
var (
	//go:embed page/page.html
	pageText string
	//go:embed page/draw.js
	drawScript string
	//go:embed page/page.js
	pageScript string
	//go:embed page/page.css
	pageStyle string
	//go:embed page/uplot/uPlot.iife.min.js
	uplotScript string
	//go:embed page/uplot/uPlot.min.css
	uplotStyle string
	//go:embed page/uplot/LICENSE
	uplotLicence string
)

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// Page returns the page of a result. Its script draws the result, which is in the page as JSON.
func Page(title string, result any) ([]byte, error) {
	data, err := json.Marshal(result) // escapes <, > and &: the text cannot end the script element
	if err != nil {
		return nil, fmt.Errorf("--report: %w", err)
	}
	var page bytes.Buffer
	err = pageTemplate.Execute(&page, map[string]any{
		"Title": title, "Data": template.JS(data), "Drawing": template.JS(drawScript), "Script": template.JS(pageScript), "Style": template.CSS(pageStyle),
		"Library": template.JS(uplotScript), "LibraryStyle": template.CSS(uplotStyle), "Licence": uplotLicence,
	})
	if err != nil {
		return nil, fmt.Errorf("--report: %w", err)
	}
	return page.Bytes(), nil
}
