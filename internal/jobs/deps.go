package jobs

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/apibr/studio/internal/i18n"
)

const parentSQL = `select version + 1 from generation_jobs where id = $1 and owner_id = $2`

const readVoicesSQL = `
	select v.id, v.name, v.status, v.job_id, v.language, v.builtin, v.conditionals, coalesce(a.sha256, ''),
	       coalesce(a.mime_type, ''), coalesce(a.size_bytes, 0)
	  from voices v left join media_assets a on a.id = v.sample_asset_id
	 where v.id = any($1) and (v.owner_id = $2 or v.builtin)`

// Locked for share: a job that finishes while its dependents are being written waits for them, and then frees them.
const lockDepsSQL = `
	select j.id, j.status, j.owner_id from generation_jobs j where j.id = any($1) order by j.id for share`

// dep is a row of job_deps to write: the input waits for that job.
type dep struct {
	job   uuid.UUID
	input string
}

// countDeps is blocked_by: the number of jobs waited for.
func countDeps(deps []dep) int {
	seen := map[uuid.UUID]bool{}
	for _, d := range deps {
		seen[d.job] = true
	}
	return len(seen)
}

func parentVersion(ctx context.Context, tx pgx.Tx, spec *Spec) (int, error) {
	if spec.ParentID == nil {
		return 1, nil
	}
	var version int
	err := tx.QueryRow(ctx, parentSQL, *spec.ParentID, spec.Owner).Scan(&version)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, &InputError{Name: "parent_id", Detail: i18n.Say("no job of yours has this id")}
	}
	return version, err
}

// voiceRow holds the columns of a voice that jobs need.
type voiceRow struct {
	ResolvedVoice
	Status string
	JobID  *uuid.UUID
}

// voiceIDs are the voices among the inputs, each once.
func voiceIDs(inputs []InputRef) []uuid.UUID {
	ids := []uuid.UUID{}
	for _, in := range inputs {
		if in.VoiceID != nil && !slices.Contains(ids, *in.VoiceID) {
			ids = append(ids, *in.VoiceID)
		}
	}
	return ids
}

func readVoices(ctx context.Context, q querier, owner uuid.UUID, ids []uuid.UUID) (map[uuid.UUID]voiceRow, error) {
	found := make(map[uuid.UUID]voiceRow, len(ids))
	if len(ids) == 0 {
		return found, nil
	}
	rows, err := q.Query(ctx, readVoicesSQL, ids, owner)
	if err != nil {
		return nil, fmt.Errorf("read voices: %w", err)
	}
	var v voiceRow
	_, err = pgx.ForEachRow(
		rows,
		[]any{
			&v.ID,
			&v.Name,
			&v.Status,
			&v.JobID,
			&v.Language,
			&v.Builtin,
			&v.Conditionals,
			&v.Sample.SHA256,
			&v.Sample.MIME,
			&v.Sample.Size,
		},
		func() error {
			found[v.ID] = v
			v = voiceRow{}
			return nil
		},
	)
	if err != nil {
		return nil, fmt.Errorf("read voices: %w", err)
	}
	return found, nil
}

// lockDeps finds out which inputs are still being made, and locks those jobs until the commit. It fails with
// *InputError for a job or voice that is unknown, another owner's, failed or canceled.
func lockDeps(ctx context.Context, tx pgx.Tx, owner uuid.UUID, inputs []InputRef) ([]dep, error) {
	voices, err := readVoices(ctx, tx, owner, voiceIDs(inputs))
	if err != nil {
		return nil, err
	}
	var wanted []uuid.UUID
	for _, in := range inputs {
		if in.JobID != nil {
			wanted = append(wanted, *in.JobID)
		}
		if in.VoiceID == nil {
			continue
		}
		v, ok := voices[*in.VoiceID]
		switch {
		case !ok:
			return nil, &InputError{Name: in.Name, Detail: i18n.Say("no voice of yours has this id")}
		case v.Status != "ready" && v.JobID == nil:
			return nil, &InputError{
				Name:   in.Name,
				Detail: i18n.Say("the job that made this voice is gone: clone the voice again"),
			}
		case v.Status != "ready":
			wanted = append(wanted, *v.JobID)
		}
	}
	states, err := lockJobs(ctx, tx, owner, wanted)
	if err != nil {
		return nil, err
	}
	var deps []dep
	for _, in := range inputs {
		source, isVoice := in.JobID, false
		if in.VoiceID != nil {
			if v := voices[*in.VoiceID]; v.Status != "ready" {
				source, isVoice = v.JobID, true
			}
		}
		if source == nil {
			continue
		}
		waits, err := waitsFor(in, states[*source], isVoice)
		if err != nil {
			return nil, err
		}
		if waits {
			deps = append(deps, dep{job: *source, input: in.Name})
		}
	}
	return deps, nil
}

func lockJobs(ctx context.Context, tx pgx.Tx, owner uuid.UUID, ids []uuid.UUID) (map[uuid.UUID]Status, error) {
	states := map[uuid.UUID]Status{}
	if len(ids) == 0 {
		return states, nil
	}
	rows, err := tx.Query(ctx, lockDepsSQL, ids)
	if err != nil {
		return nil, fmt.Errorf("lock inputs: %w", err)
	}
	var (
		id, of uuid.UUID
		status Status
	)
	_, err = pgx.ForEachRow(rows, []any{&id, &status, &of}, func() error {
		if of == owner {
			states[id] = status
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("lock inputs: %w", err)
	}
	return states, nil
}

func waitsFor(in InputRef, status Status, isVoice bool) (bool, error) {
	switch status {
	case Queued, Processing:
		return true, nil
	case Completed:
		return false, nil
	case Failed, Canceled:
		return false, &InputError{Name: in.Name, Detail: endedInput(in, status, isVoice)}
	default:
		return false, &InputError{Name: in.Name, Detail: i18n.Say("no job of yours has this id")}
	}
}

func endedInput(in InputRef, status Status, isVoice bool) i18n.Sentence {
	switch {
	case isVoice && status == Failed:
		return i18n.Say("the job that makes this voice failed: retry it first")
	case isVoice:
		return i18n.Say("the job that makes this voice was canceled: retry it first")
	case status == Failed:
		return i18n.Say("the job named as %s failed: retry it first", in.Name)
	default:
		return i18n.Say("the job named as %s was canceled: retry it first", in.Name)
	}
}
