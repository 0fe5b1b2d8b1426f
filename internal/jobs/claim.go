package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/queue"
)

const claimSQL = `
	update generation_jobs j
	   set status = 'processing', reason = null, fence = fence + 1, attempt = attempt + 1, device = $2, node_id = $3,
	       boot_id = $4, started_at = coalesce(started_at, now()), not_before = '-infinity',
	       row_version = row_version + 1
	 where id = $1 and status = 'queued' and blocked_by = 0 and not_before <= now() and cancel_requested_at is null
	   and not (select paused from queue_state)
	returning ` + jobCols

const segmentsSQL = `
	select idx, sha256, mime_type, size_bytes, fence, duration_seconds
	  from job_segments where job_id = $1 order by idx`

// The inputs of a job in their order, each with the voice or the file that it is now. Of another job it is the first
// output of the kind, once that job has completed; of a voice the file is the sample that it was cloned from.
const inputsSQL = `
	select v.id, coalesce(v.name, ''), coalesce(v.status, ''), coalesce(v.language, ''), coalesce(v.builtin, false),
	       v.conditionals, f.id, coalesce(f.filename, ''), coalesce(f.sha256, ''), coalesce(f.mime_type, ''),
	       coalesce(f.size_bytes, 0), f.metadata
	  from generation_jobs j
	 cross join jsonb_array_elements(coalesce(j.parameters -> 'inputs', '[]')) with ordinality i (ref, ord)
	  left join lateral (
	       select * from voices where id = (i.ref ->> 'voice_id')::uuid and (owner_id = j.owner_id or builtin)
	         limit 1) v on true
	  left join lateral (
	       select a.* from media_assets a where a.id = (i.ref ->> 'asset_id')::uuid and a.owner_id = j.owner_id
	       union all
	       select a.* from media_assets a where a.id = v.sample_asset_id
	       union all
	       (select a.* from generation_jobs d join media_assets a on a.job_id = d.id
	         where d.id = (i.ref ->> 'job_id')::uuid and d.status = 'completed' and a.owner_id = j.owner_id
	           and a.type = i.ref ->> 'kind'
	         order by a.output_index limit 1)) f on true
	 where j.id = $1
	 order by i.ord`

// inputRow is a row of inputsSQL.
type inputRow struct {
	VoiceID      *uuid.UUID
	Voice        string
	Status       string
	Language     string
	Builtin      bool
	Conditionals map[string]json.RawMessage

	FileID   *uuid.UUID
	Filename string
	SHA256   string
	MIME     string
	Size     int64
	Metadata map[string]any
}

// Claim takes a job for this node and resolves its inputs. Fails with ErrNotClaimable when another was faster or the
// queue is paused, and with ErrInput when an input is gone, in which case the job has failed.
func (s *Service) Claim(ctx context.Context, id uuid.UUID, device string) (*Claimed, error) {
	var (
		claimed *Claimed
		gone    error
	)
	err := s.inTx(ctx, "claim", func(t *txn) error {
		claimed, gone = nil, nil
		// One round trip for all: the rows read for a job that was not claimed are thrown away.
		var b pgx.Batch
		var job *Job
		var inputs []inputRow
		var segments []Segment
		b.Queue(claimSQL, id, device, s.cfg.NodeID, s.cfg.BootID).Query(func(rows pgx.Rows) (err error) {
			job, err = pgx.CollectExactlyOneRow(rows, scanJob)
			return err
		})
		b.Queue(segmentsSQL, id).Query(func(rows pgx.Rows) (err error) {
			segments, err = collectSegments(rows)
			return err
		})
		b.Queue(inputsSQL, id).Query(func(rows pgx.Rows) (err error) {
			inputs, err = pgx.CollectRows(rows, pgx.RowToStructByPos[inputRow])
			return err
		})
		var ticket bool
		queue.TakeTicket(&b, func(taken bool) { ticket = taken })
		if err := t.SendBatch(ctx, &b).Close(); err != nil {
			if errors.Is(err, pgx.ErrNoRows) {
				return ErrNotClaimable
			}
			return err
		}
		resolved, err := resolve(job, inputs)
		if errors.Is(err, ErrInput) {
			gone = err
			return s.failTx(ctx, t, job, inputProblem(err))
		}
		if err != nil {
			return err
		}
		t.emit(EventStarted, job)
		claimed = &Claimed{Job: job, Resolved: resolved, Segments: segments, Ticket: ticket}
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

// resolve joins a job's inputs with the rows found for them. Fails with *InputError for the first that is gone.
func resolve(j *Job, rows []inputRow) ([]ResolvedInput, error) {
	if len(rows) != len(j.Inputs) {
		return nil, fmt.Errorf("%d inputs were read where the job has %d", len(rows), len(j.Inputs))
	}
	resolved := make([]ResolvedInput, len(j.Inputs))
	for i, in := range j.Inputs {
		row, out := &rows[i], &resolved[i]
		out.Name, out.Kind = in.Name, in.Kind
		switch {
		case in.VoiceID != nil:
			if row.VoiceID == nil || row.Status != "ready" {
				return nil, &InputError{Name: in.Name, Detail: i18n.Say("the voice is gone: choose another")}
			}
			out.Voice = &ResolvedVoice{ID: *row.VoiceID, Name: row.Voice, Language: row.Language, Builtin: row.Builtin,
				Conditionals: row.Conditionals, Sample: SampleFile{row.SHA256, row.MIME, row.Size}}
			out.Metadata = map[string]any{"name": row.Voice, "language": row.Language}
		case row.FileID != nil:
			out.AssetID, out.Filename, out.SHA256, out.MIME = *row.FileID, row.Filename, row.SHA256, row.MIME
			out.Size, out.Metadata = row.Size, row.Metadata
		case in.JobID != nil:
			return nil, &InputError{Name: in.Name, Detail: i18n.Say(
				"the job named as %s has no %s among its outputs, or is gone", in.Name, in.Kind)}
		case in.AssetID != nil:
			return nil, &InputError{
				Name:   in.Name,
				Detail: i18n.Say("the file given as %s is gone: upload it again", in.Name),
			}
		}
	}
	return resolved, nil
}

// For returns the conditionals of the first of the engines that made some of the voice, else the only ones. The engines
// are those whose conditionals the reader understands, best first.
func (v *ResolvedVoice) For(engines ...string) (json.RawMessage, bool) {
	for _, engine := range engines {
		if c, ok := v.Conditionals[engine]; ok {
			return c, true
		}
	}
	if len(v.Conditionals) == 1 {
		for _, c := range v.Conditionals {
			return c, true
		}
	}
	return nil, false
}
