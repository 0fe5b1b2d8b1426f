// Command specgen writes the OpenAPI document to the file that its argument names. It imports no generated client, so that a
// stale one cannot keep the document from being made.
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
	if len(os.Args) != 2 {
		return fmt.Errorf("usage: specgen FILE")
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
	return os.WriteFile(os.Args[1], indented.Bytes(), 0o644)
}
