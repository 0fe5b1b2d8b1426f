package app

import (
	"os"
	"path/filepath"
	"slices"

	"github.com/apibr/studio/internal/sandbox"
)

// mediaSandbox is what ffmpeg reaches: what engines do, and the folders where files are checked and made.
func (a *App) mediaSandbox() *sandbox.Policy {
	policy := a.sandbox()
	policy.Write = append(policy.Write, a.blobs.TempDir(), filepath.Join(a.config.DataDir, "work"))
	return policy
}

// sandbox is what engines' processes reach of this machine's files: all of them but the studio's data, the files with
// its settings and the user's keys; of the data, the models, and what they work with. They write to caches and
// temporary files only.
func (a *App) sandbox() *sandbox.Policy {
	c := a.config
	policy := &sandbox.Policy{
		Hidden: slices.Concat([]string{c.DataDir}, c.SecretFiles),
		Read:   []string{c.Models.CacheDir, c.Python.Workers, c.Python.DraftVenv, c.Python.ModelsVenv},
		Write:  slices.Concat([]string{filepath.Join(c.DataDir, "cache"), os.TempDir()}, c.Supervisor.SandboxPaths),
		Off:    !c.Supervisor.Sandbox,
	}
	for _, more := range []string{c.Models.Extra, c.BundledModels()} {
		if more != "" {
			policy.Read = append(policy.Read, more)
		}
	}
	if home, err := os.UserHomeDir(); err == nil {
		policy.Hidden = append(policy.Hidden, filepath.Join(home, ".ssh"), filepath.Join(home, ".gnupg"))
	}
	if caches, err := os.UserCacheDir(); err == nil { // compiled kernels of the card's libraries
		policy.Write = append(policy.Write, caches)
	}
	return policy
}
