package runner

import (
	"errors"
	"net/http"
	"os"
	"syscall"

	"github.com/apibr/studio/internal/blob"
	"github.com/apibr/studio/internal/device"
	"github.com/apibr/studio/internal/disk"
	"github.com/apibr/studio/internal/engine"
	"github.com/apibr/studio/internal/i18n"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/media"
	"github.com/apibr/studio/internal/plan"
	"github.com/apibr/studio/internal/sidecar"
	"github.com/apibr/studio/internal/store"
)

// diskFullBelow is how little free space means that a failure was for lack of it.
const diskFullBelow = 1 << 20

// problemOf puts an error of a run into words for the user: no path, no key, and what to do.
func (a *attempt) problemOf(err error) jobs.Problem {
	if a.diskFull(err) {
		return problem("disk_full", http.StatusInsufficientStorage, i18n.Say("The disk is full"),
			i18n.For(blob.ErrDiskFull), true)
	}
	var said *sidecar.EngineError
	var crash *sidecar.CrashError
	var hang *sidecar.HangError
	var guard *sidecar.GuardError
	var input *media.InputError
	var unavailable *media.UnavailableError
	var card *CardError
	switch {
	case errors.As(err, &card):
		return problem("gpu_not_ready", http.StatusUnprocessableEntity, i18n.Say("The graphics card is not ready"),
			card.Detail, true)
	case errors.As(err, &said):
		return a.engineProblem(said)
	case errors.As(err, &crash):
		return problem("engine_crashed", http.StatusInternalServerError, i18n.Say("The engine crashed"),
			i18n.For(crash), true)
	case errors.As(err, &hang):
		return problem("engine_hung", http.StatusInternalServerError, i18n.Say("The engine hung"),
			i18n.For(hang), true)
	case errors.As(err, &guard):
		return problem("out_of_memory", http.StatusInsufficientStorage, i18n.Say("There is not enough memory"),
			i18n.For(guard), true)
	case errors.As(err, &unavailable):
		return problem("busy", http.StatusServiceUnavailable, i18n.Say("The computer is busy"),
			i18n.For(unavailable), true)
	case errors.As(err, &input):
		return problem("bad_result", http.StatusInternalServerError, i18n.Say("The engine's result cannot be used"),
			i18n.For(input), true)
	case errors.Is(err, media.ErrNoFFmpeg):
		return problem("no_ffmpeg", http.StatusServiceUnavailable, i18n.Say("A program is missing"),
			i18n.For(media.ErrNoFFmpeg), true)
	case errors.Is(err, sidecar.ErrNoEngine):
		return problem("engine_not_installed", http.StatusUnprocessableEntity, i18n.Say("The engine is not installed"),
			i18n.Say("engine %s is not installed: %s", a.manifest.ID, a.manifest.Install.Sentence()), false)
	case errors.Is(err, sidecar.ErrProtocol):
		return problem(
			"protocol_error",
			http.StatusInternalServerError,
			i18n.Say("The engine's program is not a sidecar"),
			i18n.Say("the program of engine %s does not speak protocol version 1", a.manifest.ID),
			false,
		)
	case store.Refused(err):
		return jobs.Unstorable
	default:
		return problem("internal", http.StatusInternalServerError, i18n.Say("Something went wrong"),
			i18n.Say("the job failed for an internal reason; the studio's log holds it under the job's id"), true)
	}
}

func (a *attempt) engineProblem(said *sidecar.EngineError) jobs.Problem {
	switch said.Code {
	case sidecar.InvalidInput:
		p := problem(
			said.Code,
			http.StatusUnprocessableEntity,
			i18n.Say("The input cannot be used"),
			said.Message,
			false,
		)
		if said.Field != "" {
			p.Pointer = "/" + said.Field
		}
		return p
	case sidecar.OutOfMemory:
		return problem(said.Code, http.StatusInsufficientStorage, i18n.Say("There is not enough memory"),
			said.Message, true)
	case sidecar.ModelMissing, sidecar.LicenceRequired:
		return problem(said.Code, http.StatusUnprocessableEntity, i18n.Say("The model is not ready"),
			said.Message, false)
	default:
		return problem(said.Code, http.StatusInternalServerError, i18n.Say("The engine failed"), said.Message, true)
	}
}

func problem(code string, status int, title, detail i18n.Sentence, retryable bool) jobs.Problem {
	return jobs.Problem{Type: "/problems/" + code, Title: title, Status: status, Detail: detail, Code: code,
		Retryable: retryable}
}

// diskFull says whether a failure is for lack of space: by the error, or by looking, since an engine's library may not
// say.
func (a *attempt) diskFull(err error) bool {
	if errors.Is(err, blob.ErrDiskFull) || errors.Is(err, syscall.ENOSPC) || store.DiskFull(err) {
		return true
	}
	var said *sidecar.EngineError
	if errors.As(err, &said) && said.Code != sidecar.Internal {
		return false
	}
	free, looked := disk.Free(a.runner.cfg.WorkDir)
	return looked == nil && free < diskFullBelow && !errors.Is(err, os.ErrNotExist)
}

// unknownEngine is the answer to a job whose engine is gone since it was queued: a manifest was removed, or the program
// is another.
func (r *Runner) unknownEngine(claimed *jobs.Claimed) jobs.Problem {
	detail := i18n.Say(
		"the engine %s is not part of this studio any more, and no other does %s",
		claimed.Engine,
		claimed.Type,
	)
	if others := r.cfg.Catalogue.ModelsOf(string(claimed.Type)); len(others) > 0 {
		detail = i18n.Say(
			"the engine %s is not part of this studio any more: ask again with one of the models %s",
			claimed.Engine,
			i18n.Commas(others...),
		)
	}
	return problem("engine_gone", http.StatusUnprocessableEntity, i18n.Say("The engine is gone"), detail, false)
}

// tooLarge is the answer to a job that this machine can never run: the plan's own refusal, or the numbers of the
// scheduler.
func (r *Runner) tooLarge(claimed *jobs.Claimed, most device.Memory) jobs.Problem {
	refused := &plan.TooLargeError{Have: most}
	if manifest, ok := r.cfg.Catalogue.Get(engine.ID(claimed.Engine)); ok {
		snapshot := r.cfg.Host.Snapshot()
		a := &attempt{runner: r, claimed: claimed}
		l := r.loadFor(
			manifest,
			string(claimed.Type),
			claimed.Model,
			r.deviceFor(claimed.UsesGPU, snapshot),
			a.size(),
			snapshot,
		)
		if refused.Need = l.need(); l.refused != nil {
			refused = l.refused
		}
	}
	return problem("no_memory", http.StatusUnprocessableEntity, i18n.Say("The job does not fit this computer"),
		i18n.For(refused), false)
}
