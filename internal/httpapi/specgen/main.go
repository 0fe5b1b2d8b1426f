// Command specgen writes the OpenAPI document to the file that its argument names, by default the committed one. It
// imports no generated client, so that a stale one cannot keep the document from being made.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"

	"github.com/apibr/studio/internal/httpapi"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	path := "internal/apiclient/openapi.json"
	if len(os.Args) > 1 {
		path = os.Args[1]
	}
	spec, err := httpapi.Spec()
	if err != nil {
		return err
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, spec, "", "  "); err != nil {
		return err
	}
	indented.WriteByte('\n')
	return os.WriteFile(path, indented.Bytes(), 0o644)
}
