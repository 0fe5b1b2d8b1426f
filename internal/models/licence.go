package models

import (
	"context"
	"os"
	"path"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/apibr/studio/internal/engine"
)

// longestLicence is the most of a licence's text that is fetched, in bytes.
const longestLicence = 1 << 20

// LicenceText is the text of a model's licence as its maker's repository has it, "" when no repository of the model
// has one. Fails with *hub.Error.
func (in *Installer) LicenceText(ctx context.Context, model *engine.Model) (string, error) {
	for _, repo := range model.Repositories() {
		listing, err := in.cfg.Hub.List(ctx, repo, "")
		if err != nil {
			return "", err
		}
		for _, file := range listing.Files {
			name := strings.ToUpper(file.Path)
			if path.Dir(file.Path) != "." ||
				!strings.HasPrefix(name, "LICENSE") && !strings.HasPrefix(name, "LICENCE") ||
				file.Size > longestLicence {
				continue
			}
			folder, err := os.MkdirTemp("", "apibr-licence-")
			if err != nil {
				return "", err
			}
			defer os.RemoveAll(folder)
			text := filepath.Join(folder, "text")
			if _, err := in.cfg.Hub.Download(ctx, file, text, nil); err != nil {
				return "", err
			}
			content, err := os.ReadFile(text)
			if err != nil || !utf8.Valid(content) {
				return "", err
			}
			return string(content), nil
		}
	}
	return "", nil
}
