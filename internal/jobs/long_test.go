package jobs

import (
	"fmt"
	"regexp"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// A filter without a choice names all words of its column, so that its index is used. The words in the code must be
// all that the column allows.
func TestFiltersKnowAllTypesAndStatuses(t *testing.T) {
	b := newBench(t)
	for column, known := range map[string][]string{"type": allTypes, "status": allStatuses} {
		var made string
		require.NoError(
			t,
			b.pool.QueryRow(b.ctx, `select pg_get_constraintdef(oid) from pg_constraint where conname = $1`,
				"generation_jobs_"+column+"_check").Scan(&made),
		)
		var words []string
		for _, m := range regexp.MustCompile(`'([^']+)'`).FindAllStringSubmatch(made, -1) {
			words = append(words, m[1])
		}
		require.ElementsMatch(t, words, known)
	}
}

func TestListFiltersByEveryCombination(t *testing.T) {
	b := newBench(t)
	project, foreign, other := uuid.New(), uuid.New(), uuid.New()
	b.exec(`insert into users (id, name) values ($1, 'other')`, other)
	b.exec(
		`insert into projects (id, owner_id, name, type) values ($1, $2, 'p', 'mixed'), ($3, $4, 'p', 'mixed')`,
		project,
		localAdmin,
		foreign,
		other,
	)
	var all []*Job
	for i := range 12 {
		spec := []func() Spec{speech, func() Spec { return avatar() }}[i%2]()
		if i%3 == 0 {
			spec.ProjectID = &project
		}
		if i > 6 {
			spec.ParentID = &all[i%2].ID
		}
		j := b.submit(spec)
		if i%4 == 0 {
			_, err := b.Cancel(b.ctx, localAdmin, j.ID)
			require.NoError(t, err)
		}
		all = append([]*Job{}, append(all, b.job(j.ID))...)
	}
	theirs := speech()
	theirs.Owner, theirs.ProjectID = other, &foreign
	b.submit(theirs)

	for n, f := range []Filter{
		{}, {Statuses: []Status{Canceled}}, {Statuses: []Status{Canceled, Queued, Canceled}},
		{Types: []Type{TypeAvatar}},
		{Types: []Type{TypeSpeech, TypeImage, TypeSpeech}, Statuses: []Status{Queued, Failed}}, {Project: &project},
		{Project: &project, Statuses: []Status{Queued}}, {Project: &project, Types: []Type{TypeSpeech}},
		{Parent: &all[1].ID},
		{Project: &project, Types: []Type{TypeSpeech}, Statuses: []Status{Canceled}},
		{Parent: &all[1].ID, Statuses: []Status{Queued}},
		{Project: &project, Parent: &all[1].ID}, {Project: &foreign}, {Project: &foreign, Statuses: []Status{Queued}},
	} {
		var want, got []uuid.UUID
		for i := len(all) - 1; i >= 0; i-- {
			if j := all[i]; wanted(j, f) {
				want = append(want, j.ID)
			}
		}
		f.Limit = 2
		for pages := 0; ; pages++ {
			page, err := b.List(b.ctx, localAdmin, f)
			require.NoError(t, err)
			for _, j := range page.Jobs {
				got = append(got, j.ID)
			}
			if f.Cursor = page.Next; f.Cursor == "" {
				break
			}
			require.Less(t, pages, 10)
		}
		require.Equal(t, want, got, "filter %d", n)
	}
}

func wanted(j *Job, f Filter) bool {
	is := func(have, want *uuid.UUID) bool { return want == nil || have != nil && *have == *want }
	any := func(n int, match func(int) bool) bool {
		for i := range n {
			if match(i) {
				return true
			}
		}
		return n == 0
	}
	return is(j.ProjectID, f.Project) && is(j.ParentID, f.Parent) &&
		any(len(f.Statuses), func(i int) bool { return f.Statuses[i] == j.Status }) &&
		any(len(f.Types), func(i int) bool { return f.Types[i] == j.Type })
}

// A forecast reads no parameters: the columns it needs are written at submit, and again when the input changes.
func TestUnitsAreWrittenAtSubmitAndWithNewInput(t *testing.T) {
	b := newBench(t)
	j := b.submit(Spec{Owner: localAdmin, Type: TypeImage, Quality: "draft", Engine: "draft-image",
		Params: map[string]any{"width": 1000, "height": 500, "num_images": 4}})
	read := func() string {
		var units float64
		var width, height, pictures int
		require.NoError(
			t,
			b.pool.QueryRow(b.ctx, `select units, width, height, pictures from generation_jobs where id = $1`, j.ID).
				Scan(&units, &width, &height, &pictures),
		)
		return fmt.Sprint(units, width, height, pictures)
	}
	require.Equal(t, "2 1000 500 4", read())
	_, err := b.Update(b.ctx, localAdmin, j.ID,
		Patch{SetInput: true, Params: map[string]any{"width": 2000.0, "height": 1000.0, "num_images": 1e300}})
	require.NoError(t, err)
	require.Contains(t, read(), "2000 1000 1000000")
	require.NotContains(t, forecastSQL, "parameters")
	require.NotContains(t, waitingSQL+headsSQL, "parameters")
}

// A row that backs off takes no place from those that may run: with it among 400 the queue is as long as without it.
func TestBackingOffJobDoesNotShortenALongQueue(t *testing.T) {
	b := newBench(t)
	const lane = "insert into generation_jobs " +
		"(id, owner_id, type, lane, status, quality, engine, parameters, priority, not_before) " +
		"select gen_random_uuid(), $1, $2, $3, 'queued', 'draft', 'x', '{}', 0, $4 from generate_series(1, $5::int)"
	b.exec(lane, localAdmin, TypeAvatar, LaneVideo, time.Now().Add(time.Hour), 1)
	b.exec(lane, localAdmin, TypeAvatar, LaneVideo, "-infinity", wideQueue)
	b.exec(lane, localAdmin, TypeSpeech, LaneAudio, "-infinity", 1)
	list, err := b.Waiting(b.ctx)
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(time.Hour), list.Next, time.Minute)
	lanes := map[Lane]int{}
	for _, w := range list.Jobs {
		lanes[w.Lane]++
	}
	require.Equal(t, map[Lane]int{LaneVideo: 50, LaneAudio: 1}, lanes, "the heads of the lanes")

	// Runnable jobs are found however many before them back off.
	b.exec(
		`update generation_jobs set not_before = now() + interval '1 hour' 
			where lane = 'video' and rank < (select max(rank) - 3 from generation_jobs)`,
	)
	list, err = b.Waiting(b.ctx)
	require.NoError(t, err)
	require.Len(t, list.Jobs, b.count(`select count(*) from generation_jobs where not_before = '-infinity'`))

	// One whose time has come stands where its rank says, and is claimed.
	b.exec(
		`update generation_jobs set not_before = now() - interval '1 second'
			where rank = (select min(rank) from generation_jobs)`,
	)
	list, err = b.Waiting(b.ctx)
	require.NoError(t, err)
	first := orderByRank(b.ctx, list.Jobs)[0]
	require.Equal(
		t,
		1,
		b.count(
			`select count(*) from generation_jobs where id = $1 and rank = (select min(rank) from generation_jobs)`,
			first,
		),
	)
	b.claim(first)
}
