package voices

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/store/storetest"
)

var localAdmin = uuid.MustParse("00000000-0000-7000-8000-000000000001")

func setUp(t *testing.T) (*Service, *pgxpool.Pool, context.Context) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	st := storetest.New(t)
	return New(st.Pool(), Defaults{}), st.Pool(), ctx
}

func add(t *testing.T, pool *pgxpool.Pool, owner uuid.UUID, name string) uuid.UUID {
	t.Helper()
	id := uuid.Must(uuid.NewV7())
	_, err := pool.Exec(
		context.Background(),
		`insert into voices (id, owner_id, name, language) values ($1, $2, $3, 'pt-BR')`,
		id,
		owner,
		name,
	)
	require.NoError(t, err)
	return id
}

func TestEveryStatementPrepares(t *testing.T) {
	_, pool, ctx := setUp(t)
	conn, err := pool.Acquire(ctx)
	require.NoError(t, err)
	defer conn.Release()
	for name, sql := range statements {
		_, err := conn.Conn().Prepare(ctx, name, sql)
		require.NoError(t, err, name)
	}
}

func TestVoicesAreSeenByTheirOwner(t *testing.T) {
	s, pool, ctx := setUp(t)
	other := uuid.New()
	_, err := pool.Exec(ctx, `insert into users (id, name) values ($1, 'other')`, other)
	require.NoError(t, err)
	builtin := Builtin{
		ID:           uuid.New(),
		Name:         "Ana",
		Language:     "pt-BR",
		Conditionals: map[string]json.RawMessage{"draft-voice": json.RawMessage(`{"pitch":1}`)},
	}
	require.NoError(t, s.EnsureBuiltins(ctx, []Builtin{builtin}))
	builtin.Language = "en"
	require.NoError(t, s.EnsureBuiltins(ctx, []Builtin{builtin}))
	mine, theirs := add(t, pool, localAdmin, "Minha Voz"), add(t, pool, other, "Minha Voz")

	found, err := s.Find(ctx, localAdmin, "Minha Voz")
	require.NoError(t, err)
	require.Equal(t, mine, found.ID)
	found, err = s.Find(ctx, localAdmin, mine.String())
	require.NoError(t, err)
	require.Equal(t, "Minha Voz", found.Name)
	for _, foreign := range []string{theirs.String(), "minha voz", "Minha", ""} {
		_, err = s.Find(ctx, localAdmin, foreign)
		require.ErrorIs(t, err, ErrNotFound, foreign)
	}
	own := add(t, pool, localAdmin, "Ana")
	found, err = s.Find(ctx, localAdmin, "Ana")
	require.NoError(t, err)
	require.Equal(t, own, found.ID, "the caller's own wins")
	found, err = s.Find(ctx, other, "Ana")
	require.NoError(t, err)
	require.Equal(t, builtin.ID, found.ID)
	require.Equal(t, "en", found.Language)

	list, err := s.List(ctx, localAdmin, Filter{})
	require.NoError(t, err)
	require.Len(t, list, 3)
	require.Equal(t, []uuid.UUID{own, mine, builtin.ID}, []uuid.UUID{list[0].ID, list[1].ID, list[2].ID})
	list, err = s.List(ctx, localAdmin, Filter{Status: Ready})
	require.NoError(t, err)
	require.Len(t, list, 1)
	list, err = s.List(ctx, localAdmin, Filter{Language: "pt-BR"})
	require.NoError(t, err)
	require.Len(t, list, 2)
}

func TestAVoiceIsChangedAndDeletedByItsOwner(t *testing.T) {
	s, pool, ctx := setUp(t)
	builtin := Builtin{ID: uuid.New(), Name: "Ana", Language: "pt-BR"}
	require.NoError(t, s.EnsureBuiltins(ctx, []Builtin{builtin}))
	mine := add(t, pool, localAdmin, "Minha Voz")
	add(t, pool, localAdmin, "Outra")
	name, taken := "Nova", "Outra"

	v, err := s.Update(ctx, localAdmin, mine, Patch{Name: &name})
	require.NoError(t, err)
	require.Equal(t, "Nova", v.Name)
	require.Equal(t, "pt-BR", v.Language)
	_, err = s.Update(ctx, localAdmin, mine, Patch{Name: &taken})
	require.ErrorIs(t, err, ErrNameTaken)
	_, err = s.Update(ctx, localAdmin, builtin.ID, Patch{Name: &name})
	require.ErrorIs(t, err, ErrBuiltin)
	_, err = s.Update(ctx, uuid.New(), mine, Patch{Name: &name})
	require.ErrorIs(t, err, ErrNotFound)

	require.ErrorIs(t, s.Delete(ctx, localAdmin, builtin.ID), ErrBuiltin)
	require.ErrorIs(t, s.Delete(ctx, uuid.New(), mine), ErrNotFound)
	_, err = pool.Exec(ctx, `insert into generation_jobs (id, owner_id, type, lane, quality, engine, parameters)
		values (gen_random_uuid(), $1, 'audio.speech', 'audio', 'draft', 'draft-speech',
		        jsonb_build_object('inputs', jsonb_build_array(
		          jsonb_build_object('name', 'voice', 'voice_id', $2::text))))`, localAdmin, mine.String())
	require.NoError(t, err)
	require.ErrorIs(t, s.Delete(ctx, localAdmin, mine), ErrInUse)
	_, err = pool.Exec(ctx, `update generation_jobs set status = 'canceled', completed_at = now()`)
	require.NoError(t, err)
	require.NoError(t, s.Delete(ctx, localAdmin, mine))
	_, err = s.Get(ctx, localAdmin, mine)
	require.ErrorIs(t, err, ErrNotFound)
}

// A name is found however it was typed, and kept in one way.
func TestVoiceIsFoundByAnySpellingOfItsName(t *testing.T) {
	s, pool, ctx := setUp(t)
	mine := add(t, pool, localAdmin, "João")
	for _, name := range []string{"João", "Joa\u0303o", " Joa\u0303o\u200b\n"} {
		found, err := s.Find(ctx, localAdmin, name)
		require.NoError(t, err, "%q", name)
		require.Equal(t, mine, found.ID)
	}
	other := add(t, pool, localAdmin, "Outra")
	name := "Joa\u0303o"
	_, err := s.Update(ctx, localAdmin, other, Patch{Name: &name})
	require.ErrorIs(t, err, ErrNameTaken)
	name = "e\u0301\u202e\r\nZ"
	v, err := s.Update(ctx, localAdmin, other, Patch{Name: &name})
	require.NoError(t, err)
	require.Equal(t, "é Z", v.Name)
	require.NoError(t, s.EnsureBuiltins(ctx, []Builtin{{ID: uuid.New(), Name: "Nai\u0308ve", Language: "en"}}))
	_, err = s.Find(ctx, localAdmin, "Naïve")
	require.NoError(t, err)
}

func TestFormerNamesStillFindABuiltinVoice(t *testing.T) {
	s, pool, ctx := setUp(t)
	dora := Builtin{ID: uuid.New(), Name: "Dora", Language: "pt-BR", Engine: "e", Sex: "female",
		Formerly: []string{"Clara (rascunho)", "Clara"}}
	clara := Builtin{ID: uuid.New(), Name: "Santa", Language: "pt-BR", Formerly: []string{"Dora"}}
	require.NoError(t, s.EnsureBuiltins(ctx, []Builtin{dora, clara}))
	for _, name := range []string{"Dora", "Clara", " Clara (rascunho) "} {
		found, err := s.Find(ctx, localAdmin, name)
		require.NoError(t, err, name)
		require.Equal(t, dora.ID, found.ID, "%s: the name of today comes before a former one", name)
	}
	own := add(t, pool, localAdmin, "Clara")
	found, err := s.Find(ctx, localAdmin, "Clara")
	require.NoError(t, err)
	require.Equal(t, own, found.ID, "the caller's own voice of such a name wins")
	require.Empty(t, found.Owner())
}

func TestBuiltinVoiceThatNoLongerShipsIsFoundByItsIDOnly(t *testing.T) {
	s, _, ctx := setUp(t)
	old, kept := Builtin{ID: uuid.New(), Name: "Velha", Language: "pt-BR", Default: true},
		Builtin{ID: uuid.New(), Name: "Dora", Language: "pt-BR"}
	require.NoError(t, s.EnsureBuiltins(ctx, []Builtin{old, kept}))
	kept.Default = true
	require.NoError(t, s.EnsureBuiltins(ctx, []Builtin{kept}))
	found, err := s.Find(ctx, localAdmin, old.ID.String())
	require.NoError(t, err, "jobs that name it go on")
	require.Equal(t, "Velha", found.Name)
	_, err = s.Find(ctx, localAdmin, "Velha")
	require.ErrorIs(t, err, ErrNotFound)
	list, err := s.List(ctx, localAdmin, Filter{})
	require.NoError(t, err)
	require.Len(t, list, 1)
	speaks, err := s.Default(ctx, localAdmin, "pt-BR")
	require.NoError(t, err)
	require.Equal(t, kept.ID, speaks.ID)
	require.NoError(t, s.EnsureBuiltins(ctx, []Builtin{old, kept}))
	_, err = s.Find(ctx, localAdmin, "Velha")
	require.NoError(t, err, "a version that ships it again has it back")
}

func TestDefaultVoiceOfALanguage(t *testing.T) {
	s, pool, ctx := setUp(t)
	list := []Builtin{}
	for name, language := range map[string]string{"Dora": "pt-BR", "Heart": "en", "Emma": "en-GB", "Siwis": "fr"} {
		list = append(list, Builtin{ID: uuid.New(), Name: name, Language: language, Default: name != "Siwis"})
	}
	require.NoError(t, s.EnsureBuiltins(ctx, list))
	mine := add(t, pool, localAdmin, "Minha Voz")
	_, err := pool.Exec(ctx, `update voices set status = 'ready' where id = $1`, mine)
	require.NoError(t, err)
	other := uuid.New()
	_, err = pool.Exec(ctx, `insert into users (id, name) values ($1, 'other')`, other)
	require.NoError(t, err)
	speaks := func(owner uuid.UUID, language string) string {
		v, err := s.Default(ctx, owner, language)
		if err != nil {
			require.ErrorIs(t, err, ErrNotFound)
			return ""
		}
		return v.Name
	}
	for language, want := range map[string]string{"": "Dora", "pt-BR": "Dora", "pt": "Dora", "pt-PT": "Dora",
		"en": "Heart", "EN-us": "Heart", "en-GB": "Emma", "fr": "", "de": ""} {
		require.Equal(t, want, speaks(localAdmin, language), language)
	}
	s.defaults = Defaults{
		Language: "fr", Voices: map[string]string{"fr": "Siwis", "pt-BR": "Minha Voz", "en": "Nobody"},
	}
	require.Equal(t, "Siwis", speaks(localAdmin, ""))
	require.Equal(t, "Minha Voz", speaks(localAdmin, "pt"))
	require.Equal(t, "Dora", speaks(other, "pt-BR"), "another user does not have that voice")
	require.Equal(t, "Heart", speaks(localAdmin, "en"))
	unknown, err := s.UnknownDefaults(ctx, localAdmin)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"en": "Nobody"}, unknown)
	all, err := s.AllDefaults(ctx, localAdmin)
	require.NoError(t, err)
	require.Len(t, all, 4, "Heart, Emma, Siwis and the user's own")
	require.True(t, all[mine])
}
