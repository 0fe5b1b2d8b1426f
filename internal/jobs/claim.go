package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/apibr/studio/internal/i18n"
)

const claimSQL = `
	update generation_jobs j
	   set status = 'processing', reason = null, fence = fence + 1, attempt = attempt + 1, device = $2, node_id = $3,
	       boot_id = $4, started_at = coalesce(started_at, now()), not_before = '-infinity', row_version = row_version + 1
	 where id = $1 and status = 'queued' and blocked_by = 0 and not_before <= now() and cancel_requested_at is null
	   and not (select paused from queue_state)
	returning ` + jobCols

const segmentsSQL = `
	select idx, sha256, mime_type, size_bytes, fence from job_segments where job_id = $1 order by idx`

const inputAssetSQL = `
	select id, filename, sha256, mime_type, size_bytes, metadata from media_assets where id = $1 and owner_id = $2`

// The first output of that kind of a finished job.
const inputJobSQL = `
	select a.id, a.filename, a.sha256, a.mime_type, a.size_bytes, a.metadata
	  from media_assets a join generation_jobs j on j.id = a.job_id
	 where a.job_id = $1 and a.owner_id = $2 and a.type = $3 and j.status = 'completed'
	 order by a.output_index limit 1`

// Claim takes a job for this node and resolves its inputs. Fails with ErrNotClaimable when another was faster or the queue is
// paused, and with ErrInput when an input is gone, in which case the job has failed.
func (s *Service) Claim(ctx context.Context, id uuid.UUID, device string) (*Claimed, error) {
	var (
		claimed *Claimed
		gone    error
	)
	err := s.inTx(ctx, "claim", func(t *txn) error {
		claimed, gone = nil, nil
		// One round trip for both: what is read of a job that was not claimed is thrown away.
		var b pgx.Batch
		var job *Job
		var segments []Segment
		b.Queue(claimSQL, id, device, s.cfg.NodeID, s.cfg.BootID).Query(func(rows pgx.Rows) (err error) {
			job, err = pgx.CollectExactlyOneRow(rows, scanJob)
			return err
		})
		b.Queue(segmentsSQL, id).Query(func(rows pgx.Rows) (err error) {
			segments, err = collectSegments(rows)
			return err
		})
		if err := t.SendBatch(ctx, &b).Close(); err != nil {
			if errors.Is(err, pgx.ErrNoRows) {
				return ErrNotClaimable
			}
			return err
		}
		resolved, err := resolve(ctx, t, job)
		if errors.Is(err, ErrInput) {
			gone = err
			return s.failTx(ctx, t, job, inputProblem(err))
		}
		if err != nil {
			return err
		}
		t.emit(EventStarted, job)
		claimed = &Claimed{Job: job, Resolved: resolved, Segments: segments}
		return nil
	})
	if err == nil && gone != nil {
		err = fmt.Errorf("jobs: claim: %w", gone)
	}
	if err != nil {
		return nil, err
	}
	return claimed, nil
}

func inputProblem(err error) Problem {
	var in *InputError
	p := Problem{Type: "input_gone", Title: i18n.Say("An input is gone"), Status: 422, Code: "invalid_input",
		Detail: i18n.For(err)}
	if errors.As(err, &in) {
		p.Pointer = "/" + in.Name
	}
	return p
}

func resolve(ctx context.Context, tx pgx.Tx, j *Job) ([]ResolvedInput, error) {
	voices, err := readVoices(ctx, tx, j.OwnerID, voiceIDs(j.Inputs))
	if err != nil {
		return nil, err
	}
	resolved := make([]ResolvedInput, len(j.Inputs))
	var b pgx.Batch
	for i, in := range j.Inputs {
		out := &resolved[i]
		out.Name, out.Kind = in.Name, in.Kind
		switch {
		case in.VoiceID != nil:
			v, ok := voices[*in.VoiceID]
			if !ok || v.Status != "ready" {
				return nil, &InputError{Name: in.Name, Detail: i18n.Say("the voice is gone: choose another")}
			}
			voice := v.ResolvedVoice
			out.Voice = &voice
			out.Metadata = map[string]any{"name": v.Name, "language": v.Language}
		case in.JobID != nil:
			b.Queue(inputJobSQL, *in.JobID, j.OwnerID, in.Kind).QueryRow(fileScanner(out, i18n.Say(
				"the job named as %s has no %s among its outputs, or is gone", in.Name, in.Kind)))
		case in.AssetID != nil:
			b.Queue(inputAssetSQL, *in.AssetID, j.OwnerID).QueryRow(fileScanner(out, i18n.Say(
				"the file given as %s is gone: upload it again", in.Name)))
		}
	}
	if b.Len() == 0 {
		return resolved, nil
	}
	return resolved, tx.SendBatch(ctx, &b).Close()
}

func fileScanner(out *ResolvedInput, gone i18n.Sentence) func(pgx.Row) error {
	return func(row pgx.Row) error {
		err := row.Scan(&out.AssetID, &out.Filename, &out.SHA256, &out.MIME, &out.Size, &out.Metadata)
		if errors.Is(err, pgx.ErrNoRows) {
			return &InputError{Name: out.Name, Detail: gone}
		}
		return err
	}
}

// For returns what an engine needs of a voice: its own conditionals, else those of another engine of the same quality
// (draft-voice measures for draft-speech), else the only ones there are.
func (v *ResolvedVoice) For(engine string) (json.RawMessage, bool) {
	if c, ok := v.Conditionals[engine]; ok {
		return c, true
	}
	const draft = "draft-voice"
	if c, ok := v.Conditionals[draft]; ok && len(engine) > 6 && engine[:6] == draft[:6] {
		return c, true
	}
	if len(v.Conditionals) == 1 {
		for _, c := range v.Conditionals {
			return c, true
		}
	}
	return nil, false
}
