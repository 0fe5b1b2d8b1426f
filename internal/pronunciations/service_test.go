package pronunciations

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/store/storetest"
	"github.com/apibr/studio/internal/studio"
)

var owner = uuid.MustParse("00000000-0000-7000-8000-000000000001")

func TestStatementsPrepare(t *testing.T) {
	s := storetest.New(t)
	conn, err := s.Connect(t.Context())
	require.NoError(t, err)
	defer conn.Close(t.Context())
	for name, sql := range statements {
		_, err := conn.Prepare(t.Context(), name, sql)
		require.NoError(t, err, name)
	}
}

func TestTheDictionaryOfAUserAndAProject(t *testing.T) {
	ctx, pool := t.Context(), storetest.New(t).Pool()
	s := NewService(Config{Pool: pool, Limit: 6})
	project, err := studio.NewProjects(pool).Create(ctx, owner, "Vídeos", "mixed")
	require.NoError(t, err)
	first, err := s.Create(ctx, owner, New{Word: " API\u200bBR\n", Say: "apê i bê erre"})
	require.NoError(t, err)
	require.Equal(t, "APIBR", first.Word)

	_, err = s.Create(ctx, owner, New{Word: "apibr", Say: "x"})
	var same *DuplicateError
	require.ErrorAs(t, err, &same)
	require.Contains(t, err.Error(), first.ID.String())
	require.Contains(t, err.Error(), "apê i bê erre")
	english, err := s.Create(ctx, owner, New{Word: "apibr", Say: "A P I B R", Language: "en"})
	require.NoError(t, err, "another language")
	own, err := s.Create(ctx, owner, New{Word: "apibr", Say: "a", Project: &project.ID})
	require.NoError(t, err, "another project")
	for word, field := range map[string]string{"...": "word", strings.Repeat("a", 101): "word", "a": "say"} {
		var wrong *TextError
		_, err = s.Create(ctx, owner, New{Word: word, Say: "😀"})
		require.ErrorAs(t, err, &wrong, word)
		require.Equal(t, field, wrong.Field)
	}
	_, err = s.Create(ctx, owner, New{Word: strings.Repeat("ﷺ", LongestWord), Say: "x"})
	require.NoError(t, err, "a word whose folded form is long")

	all, err := s.Usable(ctx, owner, nil)
	require.NoError(t, err)
	require.Len(t, all, 3, "without those of projects")
	all, err = s.Usable(ctx, owner, &project.ID)
	require.NoError(t, err)
	require.Len(t, all, 4)
	list, err := s.List(ctx, owner, Filter{Project: &project.ID})
	require.NoError(t, err)
	require.Equal(t, []*Entry{own}, list)
	list, err = s.List(ctx, owner, Filter{Language: "en"})
	require.NoError(t, err)
	require.Equal(t, []*Entry{english}, list)

	language := "en"
	_, err = s.Update(ctx, owner, first.ID, Patch{Language: &language})
	require.ErrorAs(t, err, &same)
	require.Equal(t, english.ID, same.Entry.ID)
	word := "APIs"
	changed, err := s.Update(ctx, owner, first.ID, Patch{Word: &word})
	require.NoError(t, err)
	require.Equal(t, []string{"APIs", "apis", "apê i bê erre"}, []string{changed.Word, changed.Folded, changed.Say})

	stranger := uuid.New()
	_, err = s.Get(ctx, stranger, first.ID)
	require.ErrorIs(t, err, ErrNotFound)
	_, err = s.Update(ctx, stranger, first.ID, Patch{Word: &word})
	require.ErrorIs(t, err, ErrNotFound)
	require.ErrorIs(t, s.Delete(ctx, stranger, first.ID), ErrNotFound)
	require.NoError(t, s.Delete(ctx, owner, first.ID))
	require.ErrorIs(t, s.Delete(ctx, owner, first.ID), ErrNotFound)
	_, err = pool.Exec(ctx, `delete from projects where id = $1`, project.ID)
	require.NoError(t, err)
	_, err = s.Get(ctx, owner, own.ID)
	require.ErrorIs(t, err, ErrNotFound, "a project takes its words with it")
}

func TestRequestsAtOnceDoNotPassTheLimit(t *testing.T) {
	s := NewService(Config{Pool: storetest.New(t).Pool(), Limit: 3})
	var wait sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wait.Go(func() { _, errs[i] = s.Create(t.Context(), owner, New{Word: fmt.Sprint("w", i), Say: "x"}) })
	}
	wait.Wait()
	refused := 0
	for _, err := range errs {
		var full *FullError
		if err != nil {
			require.ErrorAs(t, err, &full)
			refused++
		}
	}
	require.Equal(t, 5, refused)
	list, err := s.List(t.Context(), owner, Filter{})
	require.NoError(t, err)
	require.Len(t, list, 3)
}
