package store_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/apibr/studio/internal/assets"
	"github.com/apibr/studio/internal/auth"
	"github.com/apibr/studio/internal/blob"
	"github.com/apibr/studio/internal/events"
	"github.com/apibr/studio/internal/jobs"
	"github.com/apibr/studio/internal/models/tasks"
	"github.com/apibr/studio/internal/pronunciations"
	"github.com/apibr/studio/internal/queue"
	"github.com/apibr/studio/internal/store/storetest"
	"github.com/apibr/studio/internal/studio"
	"github.com/apibr/studio/internal/voices"
)

// smallTable is how many rows a table may have to be read as a whole.
const smallTable = 500

// spare is how many rows a statement may read beyond twice those that it returns or writes: heads of merged branches,
// rows that are looked up besides the result.
const spare = 150

// A statement's cost grows with its result, not with the history: with a million finished jobs and 100,000 queued ones
// none reads a big table from end to end, planned for its arguments or once for all, and none reads more rows than it
// hands out.
func TestNoStatementReadsMoreThanItReturns(t *testing.T) {
	st := storetest.New(t)
	ctx := t.Context()
	conn, err := st.Pool().Acquire(ctx)
	require.NoError(t, err)
	defer conn.Release()
	begin := time.Now()
	storetest.FillHistory(t, conn.Conn(), 100_000)
	t.Logf("filled in %.1f s", time.Since(begin).Seconds())
	p := &plans{t: t, conn: conn.Conn(), big: bigTables(t, conn.Conn())}
	for _, table := range []string{"generation_jobs", "events", "media_assets", "run_history", "job_deps", "blobs",
		"river_job", "idempotency"} {
		require.Contains(t, p.big, table, "the test must fill it")
	}
	for name, sql := range everyStatement() {
		t.Run(name,
			func(t *testing.T) { (&plans{t: t, conn: p.conn, big: p.big, may: wholeTables[name]}).check(name, sql) })
	}
	all := everyStatement()
	for name := range examples {
		require.NotEmpty(t, all[name], "there is no statement %s", name)
	}
}

func everyStatement() map[string]string {
	all := map[string]string{}
	for pkg, statements := range map[string]map[string]string{
		"jobs": jobs.Statements(), "events": events.Statements(), "assets": assets.Statements(),
		"voices": voices.Statements(), "auth": auth.Statements(), "studio": studio.Statements(),
		"tasks": tasks.Statements(), "queue": queue.Statements(), "blob": blob.Statements(),
		"pronunciations": pronunciations.Statements(),
	} {
		for name, sql := range statements {
			all[pkg+"."+strings.TrimSuffix(name, "SQL")] = sql
		}
	}
	return all
}

type plans struct {
	t    *testing.T
	conn *pgx.Conn
	big  map[string]bool
	may  string // the table that the statement may read from end to end
}

// check looks at the plan that serves all arguments, and at the rows read with the examples' arguments under both kinds
// of plan.
func (p *plans) check(name, sql string) {
	ctx := p.t.Context()
	tx, err := p.conn.Begin(ctx)
	require.NoError(p.t, err)
	defer func() {
		ctx := context.WithoutCancel(ctx)
		require.NoError(p.t, tx.Rollback(ctx))
		_, err := p.conn.Exec(ctx, "deallocate s") // it outlives the transaction
		require.NoError(p.t, err)
	}()
	exec := func(sql string) {
		_, err := tx.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol)
		require.NoError(p.t, err, sql)
	}
	exec("prepare s as " + sql)
	var n int
	row := tx.QueryRow(ctx, "select cardinality(parameter_types) from pg_prepared_statements where name = 's'")
	require.NoError(p.t, row.Scan(&n))
	exec("set local plan_cache_mode = force_generic_plan")
	if n > 0 {
		p.noBigScan("any arguments",
			p.explain(tx, "explain (format json) execute s("+strings.TrimSuffix(strings.Repeat("null,", n), ",")+")"))
	} else {
		p.noBigScan("no arguments", p.explain(tx, "explain (format json) execute s"))
	}
	example, ok := examples[name]
	if !ok {
		return
	}
	for _, args := range example.args {
		for _, mode := range []string{"force_generic_plan", "force_custom_plan"} {
			exec("savepoint a")
			exec("set local plan_cache_mode = " + mode)
			call := "s"
			if args != "" {
				call += "(" + args + ")"
			}
			plan := p.explain(tx, "explain (analyze, timing off, format json) execute "+call)
			exec("rollback to a")
			where := mode + " with " + args
			p.noBigScan(where, plan)
			read, got := plan.read(), plan.handed()
			if os.Getenv("APIBR_TEST_PLANS") != "" {
				p.t.Logf("%s: reads %.0f, hands out %.0f", where, read, got)
			}
			require.LessOrEqual(p.t, read, 2*got+spare+example.reads, "%s: rows read for %.0f\n%s", where, got, plan)
		}
	}
}

func (p *plans) explain(tx pgx.Tx, sql string) *node {
	var raw []byte
	require.NoError(p.t, tx.QueryRow(p.t.Context(), sql, pgx.QueryExecModeSimpleProtocol).Scan(&raw), sql)
	var found []struct{ Plan *node }
	require.NoError(p.t, json.Unmarshal(raw, &found))
	require.Len(p.t, found, 1, sql)
	return found[0].Plan
}

func (p *plans) noBigScan(where string, plan *node) {
	plan.walk(func(n *node) {
		if n.Type == "Seq Scan" && p.big[n.Relation] && n.Relation != p.may {
			require.Fail(p.t, "reads a big table from end to end", "%s: %s\n%s", where, n.Relation, plan)
		}
	})
}

// node is a node of a plan, as EXPLAIN prints it.
type node struct {
	Type        string  `json:"Node Type"`
	Relation    string  `json:"Relation Name"`
	Index       string  `json:"Index Name"`
	Operation   string  `json:"Operation"`
	Rows        float64 `json:"Actual Rows"`
	Loops       float64 `json:"Actual Loops"`
	ByFilter    float64 `json:"Rows Removed by Filter"`
	ByRecheck   float64 `json:"Rows Removed by Index Recheck"`
	Conflicting float64 `json:"Conflicting Tuples"`
	Plans       []*node `json:"Plans"`
}

func (n *node) walk(do func(*node)) {
	do(n)
	for _, child := range n.Plans {
		child.walk(do)
	}
}

// read is how many rows were taken from tables. Each lookup by a whole key counts too.
func (n *node) read() (rows float64) {
	n.walk(func(n *node) {
		if n.Relation != "" && n.Operation == "" {
			rows += (n.Rows + n.ByFilter + n.ByRecheck) * n.Loops
		}
	})
	return rows
}

// handed is how many rows were returned or written.
func (n *node) handed() (rows float64) {
	rows = n.Rows
	n.walk(func(m *node) {
		if m.Operation != "" && len(m.Plans) > 0 {
			for _, source := range m.Plans {
				rows = max(rows, source.Rows*source.Loops)
			}
		}
	})
	return rows
}

func (n *node) String() string {
	var b strings.Builder
	n.write(&b, "")
	return b.String()
}

func (n *node) write(b *strings.Builder, indent string) {
	fmt.Fprintf(b, "%s%s %s %s rows %.0f x %.0f, removed %.0f\n", indent, n.Type, n.Relation, n.Index, n.Rows, n.Loops,
		n.ByFilter+n.ByRecheck)
	for _, child := range n.Plans {
		child.write(b, indent+"  ")
	}
}

func bigTables(t *testing.T, conn *pgx.Conn) map[string]bool {
	rows, err := conn.Query(t.Context(), `select relname from pg_class c join pg_namespace s on s.oid = c.relnamespace
		 where c.relkind = 'r' and s.nspname in ('apibr', 'river') and reltuples > $1`, smallTable)
	require.NoError(t, err)
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	big := map[string]bool{}
	for _, name := range names {
		big[name] = true
	}
	return big
}

// Deleting a row looks up the rows that refer to it: each reference of a table that grows has an index that begins with
// its columns.
func TestEveryReferenceHasAnIndex(t *testing.T) {
	st := storetest.New(t)
	rows, err := st.Pool().Query(t.Context(), `
		select c.conrelid::regclass || '(' || (select string_agg(a.attname, ', ') from pg_attribute a
		                                        where a.attrelid = c.conrelid and a.attnum = any(c.conkey)) || ')'
		  from pg_constraint c
		 where c.contype = 'f' and c.connamespace = 'apibr'::regnamespace and c.confrelid <> 'users'::regclass
		   and c.conrelid <> 'api_keys'::regclass -- a few rows
		   and not exists (select from pg_index i
		                    where i.indrelid = c.conrelid
		                      and (i.indkey::int2[])[0:cardinality(c.conkey) - 1] = c.conkey)`)
	require.NoError(t, err)
	missing, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Empty(t, missing)
}
