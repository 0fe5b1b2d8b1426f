package storetest

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// FillHistory makes the database of a studio that was used for years: a million finished jobs, the given number of
// queued ones, and their rows in other tables. One owner has most of it, one has three open jobs and a thousand
// finished ones. Constraints are not checked and indexes are made at the end, which takes a fraction of the time.
func FillHistory(t testing.TB, conn *pgx.Conn, queued int) {
	t.Helper()
	statements := slices.Concat([]string{
		"set session_replication_role = replica", "set work_mem = '64MB'", "set maintenance_work_mem = '256MB'",
		"set synchronous_commit = off", saveIndexesSQL,
	}, fillSQL)
	if queued > 0 {
		statements = append(statements, fillQueueSQL...)
	}
	statements = append(statements, restoreIndexesSQL, "set session_replication_role = origin", "analyze",
		"analyze river.river_job")
	for _, sql := range statements {
		begin := time.Now()
		_, err := conn.Exec(t.Context(), strings.ReplaceAll(sql, "{queued}", strconv.Itoa(queued)),
			pgx.QueryExecModeSimpleProtocol)
		require.NoError(t, err, sql)
		if os.Getenv("APIBR_TEST_PLANS") != "" {
			t.Logf("%.1f s: %.60s", time.Since(begin).Seconds(), strings.TrimSpace(sql))
		}
	}
}

const saveIndexesSQL = `
	create temp table saved_indexes as
	select i.indexrelid::regclass::text as name, pg_get_indexdef(i.indexrelid) as made
	  from pg_index i join pg_class c on c.oid = i.indrelid join pg_namespace s on s.oid = c.relnamespace
	 where s.nspname = 'apibr' and c.relname in ('generation_jobs', 'events', 'media_assets', 'run_history')
	   and not exists (select from pg_constraint k where k.conindid = i.indexrelid);
	do $$ declare i record; begin
	  for i in select * from saved_indexes loop execute 'drop index ' || i.name; end loop;
	end $$`

const restoreIndexesSQL = `
	do $$ declare i record; begin
	  for i in select * from saved_indexes loop execute i.made; end loop;
	end $$`

// An id that grows with time, as those of version 7 do: a(n) of jobs, b(n) of assets. o(n) is an owner.
var fillSQL = []string{`
	create function pg_temp.a(n bigint) returns uuid language sql immutable as $$
	    select (lpad(to_hex(1700000000000 + n * 1000), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0'))::uuid $$;
	create function pg_temp.b(n bigint) returns uuid language sql immutable as $$
	    select (lpad(to_hex(1700000000000 + n * 1000), 12, '0') || '70009000' || lpad(to_hex(n), 12, '0'))::uuid $$;
	create function pg_temp.o(n bigint) returns uuid language sql immutable as $$
	    select ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid $$;
	create function pg_temp.h(n bigint) returns text language sql immutable as $$ select lpad(to_hex(n), 64, '0') $$`,

	`insert into users (id, name) select pg_temp.o(n), 'user ' || n from generate_series(2, 50) n`,
	`insert into projects (id, owner_id, name, type)
	 select pg_temp.a(n), pg_temp.o(1 + n % 3), 'project', 'mixed' from generate_series(1, 5000) n`,

	// 1,000,000 finished: one owner has nine tenths; failures, exports and chains are rare.
	`insert into generation_jobs (id, owner_id, project_id, type, lane, status, quality, model, engine, rank,
		parameters, result, error,
	        content_id, parent_id, device, uses_gpu, node_id, boot_id, fence, attempt, not_before, created_at,
	          queued_at, started_at, completed_at)
	 select pg_temp.a(n), pg_temp.o(case when n % 10 > 0 then 1 when n % 1000 = 0 then 2 else 3 + n % 47 end),
	        case when n % 3 = 0 then pg_temp.a(1 + 3 * (n % 1000)) end,
	        case when n % 20000 = 7 then 'media.export' when n % 5 = 0 then 'image.generate' when n % 97 = 0
	          then 'video.avatar' else 'audio.speech' end,
	        case when n % 20000 = 7 then null when n % 5 = 0 then 'image' when n % 97 = 0 then 'video' else 'audio' end,
	        case when n % 5000 = 11 then 'failed' when n % 7000 = 12 then 'canceled' else 'completed' end,
	        'draft', null, 'draft-speech', n, '{"params": {"text": "Olá, mundo", "seed": 7}, "inputs": []}',
	          '{"outputs": []}',
	        case when n % 5000 = 11 then '{}'::jsonb end, case when n % 1000 = 5 then pg_temp.a(n - 4) end,
	        case when n % 500 = 3 then pg_temp.a(n - 2) end, 'cpu', false, pg_temp.o(1), pg_temp.o(1), 1, 1,
	          '-infinity',
	        at, at, at, at + interval '1 second'
	   from (select n, now() - make_interval(secs => 20 * (1000000 - n)) as at from generate_series(1, 1000000) n) s`,

	`insert into job_deps (job_id, depends_on, as_input)
	 select pg_temp.a(n), pg_temp.a(n - 1), 'image' from generate_series(2, 200000, 10) n`,

	`insert into blobs (sha256, size_bytes, mime_type, created_at)
	 select pg_temp.h(n), 10, 'audio/wav', now() - interval '1 day' from generate_series(1, 100000) n`,
	`insert into job_segments (job_id, idx, sha256, fence, mime_type, size_bytes)
	 select pg_temp.a(n), i, pg_temp.h(n), 1, 'video/mp4', 10 from generate_series(97, 90000, 97) n,
	   generate_series(0, 9) i`,
	`insert into media_assets (id, owner_id, project_id, job_id, output_index, type, origin, url, name, filename,
		mime_type, sha256, size_bytes, created_at)
	 select pg_temp.b(n), pg_temp.o(case when n % 10 > 0 then 1 when n % 1000 = 0 then 2 else 3 + n % 47 end),
	        case when n % 3 = 0 then pg_temp.a(1 + 3 * (n % 1000)) end, case when n % 100 > 0 then pg_temp.a(n) end,
	          case when n % 100 > 0 then 0 end,
	        case when n % 3000 = 6 then 'data' when n % 5 = 0 then 'image' else 'audio' end, case when n % 100 > 0
	          then 'generated' else 'upload' end,
	        '/x', 'x', 'x', 'audio/wav', pg_temp.h(1 + n % 90000), 10, now() - make_interval(secs => 20 * (1000000 - n))
	   from generate_series(1, 200000) n`,
	`insert into voices (id, owner_id, name, status, language, builtin, job_id, sample_asset_id)
	 select pg_temp.a(n), case when n > 5 then pg_temp.o(1 + n % 40) end, 'voice ' || n, 'ready', 'pt-BR', n <= 5,
	        case when n > 5 then pg_temp.a(n) end, pg_temp.b(n)
	   from generate_series(1, 3000) n`,

	`insert into events (seq, owner_id, job_id, type, data, at)
	 select n, case when n % 10000 = 9 then null when n % 10 > 0 then pg_temp.o(1) when n % 1000 = 0 then pg_temp.o(2)
	   else pg_temp.o(3 + n % 47) end,
	        case when n % 10000 <> 9 then pg_temp.a(n) end, 'job.completed', '{}',
	          now() - make_interval(secs => 1.5 * (400000 - n))
	   from generate_series(1, 400000) n`,
	`update event_counter set seq = 400000`,
	`insert into run_history (node_id, type, engine, model, units, run_seconds, load_seconds, at)
	 select pg_temp.o(1 + n % 2), case when n % 5 = 0 then 'image.generate' else 'audio.speech' end, 'draft-speech',
	   'm' || n % 7, 10, 1, 0,
	        now() - make_interval(secs => 60 * (100000 - n))
	   from generate_series(1, 100000) n`,
	`insert into idempotency (scope, route, key, request_hash, status_code, created_at)
	 select 's' || n % 50, 'POST /x', 'k' || n, '\x00', 202, now() - make_interval(secs => n)
	   from generate_series(1, 80000) n`,
	`insert into audit_log (owner_id, actor, action) select pg_temp.o(1), 'x', 'y' from generate_series(1, 50000) n`,
	`insert into api_keys (id, owner_id, name, prefix, hash, scopes)
	 select pg_temp.a(n), pg_temp.o(1 + n % 49), 'k', 'p', decode(lpad(to_hex(n), 64, '0'), 'hex'), '{read}'
	   from generate_series(1, 300) n`,
	`insert into auth_tokens (id, key_id, hash, kind, owner_id, scopes, expires_at)
	 select gen_random_uuid(), pg_temp.a(1 + n % 300), decode(lpad(to_hex(n), 64, '0'), 'hex'), 'session',
	   pg_temp.o(1 + n % 49), '{read}', now() + make_interval(secs => n)
	   from generate_series(1, 20000) n`,
	`insert into model_tasks (id, kind, model, node_id, owner_id, status, ended_at, created_at)
	 select pg_temp.a(n), 'verify', 'm' || n % 20, pg_temp.o(1 + n % 3), pg_temp.o(1), 'completed', now(),
	   now() - make_interval(mins => n)
	   from generate_series(1, 3000) n`,
	`insert into river.river_job (args, kind, max_attempts, queue, state, finalized_at)
	 select '{}', 'generate', 1, 'gen', 'completed', now() from generate_series(1, 10000)`,
}

// fillQueueSQL are the jobs that have not ended.
var fillQueueSQL = []string{
	`insert into nodes (id, boot_id, kernel_boot_id, hostname) select pg_temp.o(n), pg_temp.o(n), 'k', 'h'
		from generate_series(1, 3) n`,
	// Queued jobs, some waiting for others and some backing off, and 20 that run.
	`insert into generation_jobs (id, owner_id, type, lane, status, reason, quality, engine, rank, parameters,
		blocked_by, priority, uses_gpu,
	        node_id, boot_id, fence, units, not_before)
	 select pg_temp.a(1000000 + n), pg_temp.o(case when n % 33000 = 1 then 2 when n % 10 > 0 then 1
	   else 3 + n % 47 end),
	        case n % 3 when 0 then 'audio.speech' when 1 then 'image.generate' else 'video.avatar' end,
	        (array['audio', 'image', 'video'])[1 + n % 3], case when n <= 20 then 'processing' else 'queued' end,
	        case when n % 20 = 2 then 'waiting_for_input' end, 'draft', 'draft-speech', 1000000 + n,
	        jsonb_build_object('params', '{"text": "Olá"}'::jsonb, 'inputs',
	                           jsonb_build_array(jsonb_build_object('name', 'image', 'asset_id', pg_temp.b(n % 5000)))),
	        case when n % 20 = 2 then 1 else 0 end, case when n % 50 = 0 then 5 else 0 end, true,
	        case when n <= 20 then pg_temp.o(1) end, case when n <= 20 then pg_temp.o(1) end, case when n <= 20 then 1
	          else 0 end, 10,
	        case when n % 199 = 0 then now() + interval '1 hour' else '-infinity' end
	   from generate_series(1, {queued}) n`,
	`insert into job_progress (job_id, fence, progress, detail) select pg_temp.a(1000000 + n), 1, 0.5, '{}'
		from generate_series(1, 20) n`,
	`insert into job_deps (job_id, depends_on, as_input)
	 select pg_temp.a(1000000 + n), pg_temp.a(1000000 + n - 1), 'image' from generate_series(22, {queued}, 20) n`,
	`insert into job_segments (job_id, idx, sha256, fence, mime_type, size_bytes)
	 select pg_temp.a(1000005), i, pg_temp.h(5), 1, 'video/mp4', 10 from generate_series(0, 9) i`,
	`insert into river.river_job (args, kind, max_attempts, queue, state)
	 select '{}', 'generate', 1, 'gen', 'available' from generate_series(1, {queued} / 2)`,
	`insert into river.river_job (args, kind, max_attempts, queue, state, attempt, attempted_at, attempted_by)
	 select '{}', 'generate', 1, 'gen', 'running', 1, now(), array[pg_temp.o(1) || '.' || pg_temp.o(1)]
	   from generate_series(1, 20)`,
}
