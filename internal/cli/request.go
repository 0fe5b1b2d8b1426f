package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
)

// request is what a submit command sends: JSON when it has no file, multipart/form-data when it has.
type request struct {
	fields map[string]any
	files  map[string]string // field name -> local path
}

func newRequest() *request { return &request{fields: map[string]any{}, files: map[string]string{}} }

// set adds a field unless it was left at its zero value.
func (r *request) set(name string, value any) {
	switch v := value.(type) {
	case string:
		if v == "" {
			return
		}
	case int:
		if v == 0 {
			return
		}
	case float64:
		if v == 0 {
			return
		}
	case *int64:
		if v == nil {
			return
		}
		value = *v
	}
	r.fields[name] = value
}

// media adds a media input: a file of this machine is sent along; an asset or job id, an https or a data URL is passed
// on.
func (r *request) media(name, value string) error { return r.argument(name, "--"+name, value) }

// argument is media for a value that came as the argument of the command, as "FILE", not as a flag.
func (r *request) argument(name, argument, value string) error {
	if value == "" {
		return nil
	}
	info, err := os.Stat(value)
	switch {
	case err == nil && info.Mode().IsRegular():
		r.files[name] = value
		return nil
	case err == nil:
		return exitWith(ExitUsage, "%s: %s is not a file", argument, value)
	case looksLikeReference(value):
		r.fields[name] = value
		return nil
	default:
		return exitWith(ExitUsage, "%s: there is no file %s, and this is neither an id nor a URL", argument, value)
	}
}

func looksLikeReference(value string) bool {
	const uuidLength = 36
	for _, scheme := range []string{"https://", "http://", "data:"} {
		if strings.HasPrefix(value, scheme) {
			return true
		}
	}
	return len(value) == uuidLength && strings.Count(value, "-") == 4
}

// body gives the content type and a stream of the body. Files are read while they are sent, never held in memory.
func (r *request) body() (contentType string, body io.ReadCloser, err error) {
	for name, value := range r.fields {
		if text, ok := value.(string); ok {
			if r.fields[name], err = inUTF8(name, text); err != nil {
				return "", nil, err
			}
		}
	}
	if len(r.files) == 0 {
		encoded, err := json.Marshal(r.fields)
		if err != nil {
			return "", nil, fmt.Errorf("encode the request: %w", err)
		}
		return "application/json", io.NopCloser(bytes.NewReader(encoded)), nil
	}
	reader, writer := io.Pipe()
	form := multipart.NewWriter(writer)
	go func() { writer.CloseWithError(r.writeForm(form)) }()
	return form.FormDataContentType(), reader, nil
}

func (r *request) writeForm(form *multipart.Writer) error {
	for name, value := range r.fields {
		text, err := formValue(value)
		if err != nil {
			return err
		}
		if err := form.WriteField(name, text); err != nil {
			return err
		}
	}
	for name, path := range r.files {
		if err := writeFile(form, name, path); err != nil {
			return err
		}
	}
	return form.Close()
}

func formValue(value any) (string, error) {
	if text, ok := value.(string); ok {
		return text, nil
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		return "", fmt.Errorf("encode a form value: %w", err)
	}
	return string(encoded), nil
}

func writeFile(form *multipart.Writer, name, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	header := textproto.MIMEHeader{}
	filename := strings.ToValidUTF8(filepath.Base(path), "_")
	header.Set("Content-Disposition", multipart.FileContentDisposition(name, filename))
	header.Set("Content-Type", "application/octet-stream")
	part, err := form.CreatePart(header)
	if err != nil {
		return err
	}
	_, err = io.Copy(part, file)
	return err
}
