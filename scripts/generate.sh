#!/usr/bin/env bash
# Writes the OpenAPI document and the two clients that are made from it, in place or (for the drift check) into a
# folder.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cd "$root"
out=${1:-}
spec=${out:+$out/openapi.json}; client=${out:+$out/client.gen.go}; types=${out:+$out/api.gen.ts}
spec=${spec:-internal/apiclient/openapi.json}
client=${client:-internal/apiclient/client.gen.go}
types=${types:-web/src/api.gen.ts}
go run ./internal/httpapi/specgen "$spec"
go tool oapi-codegen -config internal/apiclient/oapi-codegen.yaml -o "$client" "$spec"
web/node_modules/.bin/openapi-typescript "$spec" -o "$types" >/dev/null
