package blob

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Neighbours is a node's own store that also reads the stores of other nodes of the same machine.
//
// Two studios may share a database without sharing a disk path: a job that one has taken over from the other then
// finds its inputs and segments where the other put them. It writes to the own store only, and lists, tidies and
// deletes there.
type Neighbours struct {
	*Disk

	// Pool reaches the table of nodes, where each node announces its store.
	Pool *pgxpool.Pool
	Node uuid.UUID

	// KernelBoot names the machine, as nodes.kernel_boot_id does.
	KernelBoot string
}

var _ Store = (*Neighbours)(nil)

const announceSQL = `update nodes set blob_dir = $1 where id = $2`

const neighboursSQL = `
	select blob_dir from nodes where blob_dir is not null and kernel_boot_id = $1 and id <> $2`

// Announce tells the other nodes where the own store lies. Call it when the node has its row.
func (n *Neighbours) Announce(ctx context.Context) error {
	if _, err := n.Pool.Exec(ctx, announceSQL, n.dir, n.Node); err != nil {
		return fmt.Errorf("announce the blob store: %w", err)
	}
	return nil
}

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

// Stat implements Store.
func (n *Neighbours) Stat(ctx context.Context, sha256 string) (Info, error) {
	info, err := n.Disk.Stat(ctx, sha256)
	if !errors.Is(err, ErrNotFound) {
		return info, err
	}
	for _, other := range n.others(ctx) {
		if info, otherErr := other.Stat(ctx, sha256); otherErr == nil {
			return info, nil
		}
	}
	return Info{}, err
}

// Stage implements Store.
func (n *Neighbours) Stage(ctx context.Context, sha256, path string) error {
	err := n.Disk.Stage(ctx, sha256, path)
	if !errors.Is(err, ErrNotFound) {
		return err
	}
	for _, other := range n.others(ctx) {
		if otherErr := other.Stage(ctx, sha256, path); !errors.Is(otherErr, ErrNotFound) {
			return otherErr
		}
	}
	return err
}

// others are the stores of the other nodes; none while the database is away.
func (n *Neighbours) others(ctx context.Context) []*Disk {
	rows, err := n.Pool.Query(ctx, neighboursSQL, n.KernelBoot, n.Node)
	if err != nil {
		return nil
	}
	dirs, err := pgx.CollectRows(rows, pgx.RowTo[string])
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
