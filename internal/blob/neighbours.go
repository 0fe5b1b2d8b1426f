package blob

import (
	"context"
	"errors"
	"io"
)

// Neighbours is a node's own store that also reads the stores of other nodes of the same machine.
//
// Two studios may share a database without sharing a disk path: a job that one has taken over from the other then finds its inputs
// and segments where the other put them. What is written, is written to the own store only.
type Neighbours struct {
	*Disk

	// Dirs gives the other stores' directories. It is asked only for a file that the own store lacks.
	Dirs func(ctx context.Context) ([]string, error)
}

var _ Store = (*Neighbours)(nil)

// Open implements Store.
func (n *Neighbours) Open(ctx context.Context, sha256 string) (io.ReadSeekCloser, int64, error) {
	file, size, err := n.Disk.Open(ctx, sha256)
	if !errors.Is(err, ErrNotFound) {
		return file, size, err
	}
	for _, other := range n.others(ctx) {
		if file, size, otherErr := other.Open(ctx, sha256); otherErr == nil {
			return file, size, nil
		}
	}
	return nil, 0, err
}

// Stage implements Store.
func (n *Neighbours) Stage(ctx context.Context, sha256, path string) error {
	kept, err := n.Path(sha256)
	if err != nil {
		return err
	}
	return stage(ctx, kept, path)
}

// Path is Disk.Path, also of a file that only another node has.
func (n *Neighbours) Path(sha256 string) (string, error) {
	path, err := n.Disk.Path(sha256)
	if !errors.Is(err, ErrNotFound) {
		return path, err
	}
	for _, other := range n.others(context.Background()) {
		if path, otherErr := other.Path(sha256); otherErr == nil {
			return path, nil
		}
	}
	return "", err
}

func (n *Neighbours) others(ctx context.Context) []*Disk {
	dirs, err := n.Dirs(ctx)
	if err != nil {
		return nil
	}
	var others []*Disk
	for _, dir := range dirs {
		if dir != n.dir {
			others = append(others, &Disk{dir: dir})
		}
	}
	return others
}

// Dir is where the store's files lie.
func (d *Disk) Dir() string { return d.dir }
