package blob_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/blob"
	"github.com/apibr/studio/internal/blob/blobtest"
	"github.com/apibr/studio/internal/store/storetest"
)

// fileIn is where a Disk in that directory keeps a file.
func fileIn(s blob.Store, sha string) string {
	return filepath.Join(filepath.Dir(s.TempDir()), sha[:2], sha[2:4], sha)
}

var onDisk = blobtest.Driver{
	New: func(t *testing.T) blob.Store {
		d, err := blob.NewDisk(filepath.Join(t.TempDir(), "blobs"))
		require.NoError(t, err)
		return d
	},
	Damage: func(t *testing.T, s blob.Store, sha string) {
		require.NoError(t, os.Chmod(fileIn(s, sha), 0o600))
		require.NoError(t, os.WriteFile(fileIn(s, sha), []byte("THE bytes"), 0o600))
	},
	Age: func(t *testing.T, s blob.Store, sha string, by time.Duration) {
		info, err := s.Stat(t.Context(), sha)
		require.NoError(t, err)
		at := info.KeptAt.Add(-by)
		require.NoError(t, os.Chtimes(fileIn(s, sha), at, at))
	},
}

func TestDisk(t *testing.T) { blobtest.Test(t, onDisk) }

func TestNeighbours(t *testing.T) {
	pool := storetest.New(t).Pool()
	driver := onDisk
	driver.New = func(t *testing.T) blob.Store {
		return &blob.Neighbours{Disk: onDisk.New(t).(*blob.Disk), Pool: pool, Node: uuid.New(), KernelBoot: "k"}
	}
	blobtest.Test(t, driver)
}

var remote = blobtest.Driver{
	New:    func(t *testing.T) blob.Store { return blobtest.NewRemote(t.TempDir()) },
	Damage: func(_ *testing.T, s blob.Store, sha string) { s.(*blobtest.Remote).Damage(sha) },
	Age:    func(_ *testing.T, s blob.Store, sha string, by time.Duration) { s.(*blobtest.Remote).Age(sha, by) },
}

func TestStoreWithoutADiskConforms(t *testing.T) { blobtest.Test(t, remote) }
