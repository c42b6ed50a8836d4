#!/usr/bin/env bash
# Sets the project up in its own folder and runs its verbs. Everything it makes is in .venv, .venv-*, and .runwire.
set -euo pipefail
unset CDPATH
root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
cd -- "$root"

usage() {
  cat <<'TEXT'
Usage: ./buildout.sh VERB

  demo [FILE]         start everything, run the example agent on FILE, show its events, stop everything
  test [PYTEST ARGS]  run the tests; they start their own Postgres and Redis
  up                  start everything and keep it up; the data stays in .runwire
  gen                 make gen/ anew from protos/
  check               linters, types, import contracts, protos, drift of gen/
  audit               ask the package registry for known advisories against what requirements.lock pins
  bench [ARGS]        run the benchmark
  mutants [NAME…]     put known bugs back, one at a time, and show that each is found
  node                where the machine has no Node, put one into .venv, for the test of examples/typescript
  faults [ARGS]       break everything under load, and check that nothing was lost (--minutes, --seed, --help)

DATABASE_URI and REDIS_URI replace the embedded Postgres and Redis.
TEXT
}

say() { printf '%s\n' "$*" >&2; }
die() { say "buildout: $*"; exit 1; }

# --- setting up ------------------------------------------------------------------------------------------------

# Sets `python` to an interpreter that works and is new enough; a name on PATH alone says neither.
find_python() {
  local name
  for name in python3.13 python3.12 python3.11 python3; do
    if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
      python=$name
      return
    fi
  done
  die "Python 3.11 or newer is needed and was not found: install it and run this again."
}

# Package tools want a home folder that they can write to; an account may have none.
ensure_home() {
  if [ ! -d "${HOME:-}" ] || [ ! -w "$HOME" ]; then
    mkdir -p .runwire/home
    export HOME="$root/.runwire/home"
  fi
}

# make_venv FOLDER: an empty environment, with `uv` set to a uv to fill it with, or empty when only pip can be had.
make_venv() {
  local venv=$1
  find_python
  rm -rf -- "$venv"
  if uv=$(command -v uv); then
    "$uv" venv -q --python "$python" "$venv" || die "uv could not make $venv."
    return
  fi
  "$python" -m venv "$venv" 2>/dev/null ||
    die "$python cannot make virtual environments: install its venv module (python3-venv on Debian) or uv, and run this again."
  if "$venv/bin/python" -m pip install -q --disable-pip-version-check uv 2>/dev/null; then
    uv=$venv/bin/uv
  fi
}

# install FOLDER ARG…: as `pip install ARG…`.
install() {
  local venv=$1
  shift
  if [ -n "$uv" ]; then
    "$uv" pip install -q --compile-bytecode --python "$venv/bin/python" "$@"
  else
    "$venv/bin/python" -m pip install -q --disable-pip-version-check "$@"
  fi || die "The packages could not be installed: see above, check the network, and run this again."
}

# is_fresh FOLDER FILE…: whether FOLDER was set up here from these very files.
is_fresh() {
  local venv=$1
  shift
  stamp="$root $(cksum -- "$@")"
  [ -x "$venv/bin/python" ] && [ -f "$venv/stamp" ] && [ "$(<"$venv/stamp")" = "$stamp" ]
}

setup() {
  is_fresh .venv pyproject.toml requirements.lock && return
  say "Setting up .venv (once) …"
  ensure_home
  make_venv .venv
  install .venv -r requirements.lock
  install .venv --no-deps --no-build-isolation -e .
  # Also where Python is told to write no bytecode: without it every start compiles everything anew.
  .venv/bin/python -m compileall -q services gen examples
  printf '%s\n' "$stamp" >.venv/stamp
}

# The generator's grpcio-tools wants an older protobuf than the servers run with.
setup_gen() {
  is_fresh .venv-gen requirements-gen.lock && return
  say "Setting up .venv-gen (once) …"
  ensure_home
  make_venv .venv-gen
  install .venv-gen -r requirements-gen.lock
  printf '%s\n' "$stamp" >.venv-gen/stamp
}

setup_audit() {
  is_fresh .venv-audit requirements-audit.lock && return
  say "Setting up .venv-audit (once) …"
  ensure_home
  make_venv .venv-audit
  install .venv-audit -r requirements-audit.lock
  printf '%s\n' "$stamp" >.venv-audit/stamp
}

# The one test that needs Node is skipped without it, so `test` does not bring it along unasked: it is large.
setup_node() {
  setup
  { command -v node && command -v npm; } >/dev/null && return
  [ -x .venv/bin/node ] && return
  say "Installing Node into .venv (once) …"
  ensure_home
  uv=$(command -v uv || command -v .venv/bin/uv) || uv=
  install .venv -r requirements-node.lock
}

# --- generated code --------------------------------------------------------------------------------------------

# generate FOLDER: Python code and stubs of all protos.
generate() {
  local out=$1 proto
  local protos=()
  while IFS= read -r proto; do protos+=("$proto"); done < <(find protos -name '*.proto' | LC_ALL=C sort)
  [ "${#protos[@]}" -gt 0 ] || die "There is no .proto file below protos/."
  .venv-gen/bin/python -m grpc_tools.protoc -Iprotos \
    --python_out="$out" --pyi_out="$out" --grpc_python_out="$out" \
    --plugin=protoc-gen-mypy_grpc=.venv-gen/bin/protoc-gen-mypy_grpc \
    --mypy_grpc_out=quiet,generate_concrete_servicer_stubs:"$out" \
    "${protos[@]}"
  touch "$out/runwire/api/py.typed"
}

gen() {
  setup_gen
  scratch
  generate "$scratch"
  rm -rf gen
  mkdir gen
  cp -R "$scratch/runwire" gen/
}

scratch() {
  scratch=$(mktemp -d)
  trap 'rm -rf -- "$scratch"' EXIT
}

# --- check -----------------------------------------------------------------------------------------------------

failed=()
step() {
  local name=$1
  shift
  printf '\n== %s\n' "$name"
  "$@" || failed+=("$name")
}

breaking() {
  local main
  for main in main origin/main; do
    if git cat-file -e "$main:protos/buf.yaml" 2>/dev/null; then
      .venv/bin/buf breaking protos --against ".git#ref=$main,subdir=protos"
      return
    fi
  done
  echo "skipped: main has no protos yet"
}

drift() {
  setup_gen
  scratch
  generate "$scratch" &&
    diff -r -x __pycache__ "$scratch" gen >"$scratch.diff" && rm -f "$scratch.diff" && return
  head -n 40 "$scratch.diff"
  rm -f "$scratch.diff"
  echo "gen/ is not what protos/ say: run ./buildout.sh gen and commit the result."
  return 1
}

check() {
  setup
  local bin=.venv/bin
  step "ruff check" $bin/ruff check .
  step "ruff format" $bin/ruff format --check .
  step "mypy" $bin/mypy
  step "import contracts" $bin/lint-imports
  step "buf lint" $bin/buf lint protos
  step "buf breaking" breaking
  step "gen drift" drift
  step "shellcheck" $bin/shellcheck buildout.sh .ci/run
  echo
  if [ "${#failed[@]}" -gt 0 ]; then
    printf 'check failed: %s\n' "$(IFS=';'; echo "${failed[*]}")"
    return 1
  fi
  echo "check passed"
}

# Fails for a known advisory. A registry that has no advisories, as mirrors often have none, or that does not answer is
# said and is no failure.
audit() {
  local pinned unknown
  setup_audit
  scratch
  if ! .venv-audit/bin/pip-audit -r requirements.lock --no-deps --disable-pip --progress-spinner off \
    -f json -o "$scratch/audit.json" 2>"$scratch/words"; then
    [ -s "$scratch/audit.json" ] || { tail -n 3 "$scratch/words"; echo "audit: no advisories could be had"; return; }
    cat "$scratch/words" "$scratch/audit.json"
    die "there are known advisories: see above."
  fi
  pinned=$({ grep -o '"name":' "$scratch/audit.json" || true; } | wc -l)
  unknown=$({ grep -o '"skip_reason":' "$scratch/audit.json" || true; } | wc -l)
  echo "audit: no known advisory against $((pinned - unknown)) of $pinned packages; the registry tells nothing of $unknown"
}

# --- verbs -----------------------------------------------------------------------------------------------------

verb=${1:-}
[ $# -eq 0 ] || shift
case "$verb" in
  demo | up) setup; exec .venv/bin/runwire "$verb" "$@" ;;
  # Most tests wait most of the time, so two at once take little more than half as long.
  test) setup; exec .venv/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder "$@" ;;
  mutants) setup; exec .venv/bin/python -m tests.faults.mutants "$@" ;;
  bench) setup; exec .venv/bin/python -m bench "$@" ;;
  faults) setup; GRPC_ENABLE_FORK_SUPPORT=0 exec .venv/bin/python -m tests.faults "$@" ;;
  gen) gen ;;
  check) check ;;
  audit) audit ;;
  node) setup_node ;;
  "" | help | -h | --help) usage ;;
  *) usage >&2; die "There is no verb '$verb'." ;;
esac
