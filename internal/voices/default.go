package voices

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Defaults say which voice speaks where a request names none.
type Defaults struct {
	// Language of a request that names neither a voice nor a language. Default pt-BR.
	Language string
	// Voices by language, as ids or names. Others are the voices that ship as the default of their language.
	Voices map[string]string
}

// firstLanguage is that of the studio's first users.
const firstLanguage = "pt-BR"

const defaultsSQL = `select ` + cols + ` from voices v where v.builtin and v.is_default and not v.retired`

// Default is the voice that speaks the language for the owner where a request names none. language "" is
// Defaults.Language. Fails with ErrNotFound when no voice is set for the language.
func (s *Service) Default(ctx context.Context, owner uuid.UUID, language string) (*Voice, error) {
	if language == "" {
		language = s.defaults.Language
	}
	known, err := s.knownDefaults(ctx, owner)
	if err != nil {
		return nil, err
	}
	if v := known.of(language); v != nil {
		return v, nil
	}
	return nil, ErrNotFound
}

// AllDefaults are the ids of the voices that are the owner's default of some language.
func (s *Service) AllDefaults(ctx context.Context, owner uuid.UUID) (map[uuid.UUID]bool, error) {
	known, err := s.knownDefaults(ctx, owner)
	if err != nil {
		return nil, err
	}
	ids := map[uuid.UUID]bool{}
	for _, language := range known.languages() {
		ids[known.of(language).ID] = true
	}
	return ids, nil
}

// UnknownDefaults are the configured voices that the owner does not have, by language.
func (s *Service) UnknownDefaults(ctx context.Context, owner uuid.UUID) (map[string]string, error) {
	known, err := s.knownDefaults(ctx, owner)
	if err != nil {
		return nil, err
	}
	unknown := maps.Clone(s.defaults.Voices)
	maps.DeleteFunc(unknown, func(language, _ string) bool { return known.configured[language] != nil })
	return unknown, nil
}

// defaults of one owner: those of the configuration come before those that ship.
type defaults struct {
	configured map[string]*Voice // by language
	builtin    []*Voice
}

func (s *Service) knownDefaults(ctx context.Context, owner uuid.UUID) (known defaults, err error) {
	known.configured = map[string]*Voice{}
	for language, name := range s.defaults.Voices {
		switch voice, err := s.Find(ctx, owner, name); {
		case errors.Is(err, ErrNotFound): // the voice of another owner, or one that was deleted
		case err != nil:
			return known, err
		case voice.Status == Ready:
			known.configured[language] = voice
		}
	}
	rows, err := s.pool.Query(ctx, defaultsSQL)
	if err != nil {
		return known, fmt.Errorf("voices: defaults: %w", err)
	}
	if known.builtin, err = pgx.CollectRows(rows, pgx.RowToAddrOfStructByName[Voice]); err != nil {
		return known, fmt.Errorf("voices: defaults: %w", err)
	}
	slices.SortFunc(known.builtin, func(a, b *Voice) int { return strings.Compare(a.ID.String(), b.ID.String()) })
	return known, nil
}

func (d *defaults) languages() []string {
	list := slices.Collect(maps.Keys(d.configured))
	for _, v := range d.builtin {
		list = append(list, v.Language)
	}
	return list
}

// of a language: the voice that is set for the very tag, then for the language without a region, then for any region
// of it. Nil when there is none.
func (d *defaults) of(language string) *Voice {
	base := baseOf(language)
	for _, fits := range []func(tag string) bool{
		func(tag string) bool { return strings.EqualFold(tag, language) },
		func(tag string) bool { return strings.EqualFold(tag, base) },
		func(tag string) bool { return strings.EqualFold(baseOf(tag), base) },
	} {
		for _, tag := range slices.Sorted(maps.Keys(d.configured)) {
			if fits(tag) {
				return d.configured[tag]
			}
		}
		for _, v := range d.builtin {
			if fits(v.Language) {
				return v
			}
		}
	}
	return nil
}

func baseOf(tag string) string {
	base, _, _ := strings.Cut(tag, "-")
	return base
}
