package studio

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/store/storetest"
)

var owner = uuid.MustParse("00000000-0000-7000-8000-000000000001")

func TestStatementsPrepare(t *testing.T) {
	s := storetest.New(t)
	conn, err := s.Connect(context.Background())
	require.NoError(t, err)
	defer conn.Close(context.Background())
	for name, sql := range statements {
		_, err := conn.Prepare(context.Background(), name, sql)
		require.NoError(t, err, name)
	}
}

func TestProjectsAreListedPageByPage(t *testing.T) {
	ctx := context.Background()
	p := NewProjects(storetest.New(t).Pool())
	var made []uuid.UUID
	for range 5 {
		project, err := p.Create(ctx, owner, "Meu Avatar AI", "mixed")
		require.NoError(t, err)
		require.Equal(t, "draft", project.Status)
		made = append(made, project.ID)
	}
	var seen []uuid.UUID
	cursor := ""
	for {
		page, err := p.List(ctx, owner, cursor, 2)
		require.NoError(t, err)
		for _, project := range page.Projects {
			seen = append(seen, project.ID)
		}
		if page.Next == "" {
			break
		}
		cursor = page.Next
	}
	require.Len(t, seen, 5)
	require.Equal(t, made[4], seen[0])
	require.Equal(t, made[0], seen[4])

	_, err := p.Get(ctx, uuid.New(), made[0])
	require.ErrorIs(t, err, ErrNotFound, "another owner's")
	_, err = p.List(ctx, owner, "nonsense", 2)
	require.ErrorIs(t, err, ErrBadCursor)
}
