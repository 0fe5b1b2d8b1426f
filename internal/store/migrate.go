package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/apibr/studio/internal/telemetry"
	"github.com/apibr/studio/migrations"
)

// ErrSchemaNewer says that the database was made by a newer version of the studio. Nothing was changed.
var ErrSchemaNewer = errors.New(
	"the database belongs to a newer version of the studio: update this one; nothing was changed",
)

// migrationLock keeps two starting processes from migrating at once: any number, the same for all our versions.
const migrationLock = 4_150_998_211

// versionTable is goose's own.
const versionTable = "schema_version"

// migrate brings schema apibr and River's schema up to date under one advisory lock.
func migrate(ctx context.Context, dsn string, log *slog.Logger) error {
	conn, err := connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "select pg_advisory_lock($1)", int64(migrationLock)); err != nil {
		return fmt.Errorf("lock the schema: %w", err)
	}
	// The lock ends with the connection.
	for _, schema := range []string{Schema, RiverSchema} {
		if _, err := conn.Exec(ctx, "create schema if not exists "+schema); err != nil {
			return fmt.Errorf("create schema %s: %w", schema, err)
		}
	}
	db := stdlib.OpenDB(*conn.Config())
	defer db.Close()
	if err := migrateOurs(ctx, db, log); err != nil {
		return err
	}
	if err := migrateRiver(ctx, conn, log); err != nil {
		return err
	}
	setSearchPath(ctx, conn, log)
	return nil
}

func migrateOurs(ctx context.Context, db *sql.DB, log *slog.Logger) error {
	provider, err := goose.NewProvider(goose.DialectPostgres, db, migrations.FS, goose.WithTableName(versionTable))
	if err != nil {
		return fmt.Errorf("read the migrations: %w", err)
	}
	have, err := provider.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("read the schema's version: %w", err)
	}
	sources := provider.ListSources()
	if newest := sources[len(sources)-1].Version; have > newest {
		return fmt.Errorf("schema version %d, this binary knows %d: %w", have, newest, ErrSchemaNewer)
	}
	done, err := provider.Up(ctx)
	for _, step := range done {
		log.Info("migrated the schema", "version", step.Source.Version, "seconds", step.Duration.Seconds())
	}
	if err != nil {
		return fmt.Errorf("migrate the schema: %w", err)
	}
	return nil
}

func migrateRiver(ctx context.Context, conn *pgx.Conn, log *slog.Logger) error {
	pool, err := poolFor(ctx, conn)
	if err != nil {
		return err
	}
	defer pool.Close()
	migrator, err := rivermigrate.New(riverpgxv5.New(pool),
		&rivermigrate.Config{Schema: RiverSchema, Logger: telemetry.AtLeast(log, slog.LevelWarn)})
	if err != nil {
		return fmt.Errorf("read River's migrations: %w", err)
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("migrate River's schema: %w", err)
	}
	return nil
}

// setSearchPath lets psql's user write `select * from projects`. A role that may not change itself loses only that.
func setSearchPath(ctx context.Context, conn *pgx.Conn, log *slog.Logger) {
	const setSQL = `do $$ begin
		if not exists (select from pg_db_role_setting s
		                  join pg_database d on d.oid = s.setdatabase
		                  join pg_roles r on r.oid = s.setrole
		                where d.datname = current_database() and r.rolname = current_user
		                  and 'search_path=apibr, public' = any(s.setconfig)) then
			execute format('alter role %I in database %I set search_path = apibr, public', current_user,
			               current_database());
		end if;
	end $$`
	if _, err := conn.Exec(ctx, setSQL); err != nil {
		log.Debug("the role's search_path could not be set", "err", err)
	}
}
