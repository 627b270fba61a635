#!/bin/sh
# Makes the virtual environment hold the locked dependencies and pimjax itself.
#
#   sh tools/venv.sh bare    the environment alone      (for `make lock`)
#   sh tools/venv.sh core    what `make demo` needs    (requirements/core.lock)
#   sh tools/venv.sh dev     what `make test` needs    (requirements/dev.lock, a superset)
#
# VENV is the folder (.venv), PYTHON the interpreter to make it with. A stamp inside the folder records
# what is installed, so that a second call starts no pip.
set -eu

level=$1
venv=${VENV:-.venv}
wanted=${PYTHON:-}

# Settings that would make pip or Python in the environment look elsewhere.
unset PYTHONPATH PYTHONHOME PYTHONWARNINGS PYTHONOPTIMIZE VIRTUAL_ENV
unset PIP_TARGET PIP_PREFIX PIP_ROOT PIP_REQUIREMENT PIP_CONSTRAINT PIP_PYTHON PIP_DRY_RUN
export PIP_USER=0 PIP_NO_DEPS=0 PIP_REQUIRE_HASHES=0 PIP_DISABLE_PIP_VERSION_CHECK=1

say() { echo "pimjax: $*" >&2; }
fail() { say "$@"; exit 1; }

is_supported() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
}
has_venv() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }
version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])'; }

# Sets `python` to the first interpreter that can make the environment, or ends with one sentence.
choose_python() {
    without_venv=
    for python in ${wanted:-python3 python3.13 python3.12 python3.11}; do
        is_supported "$python" || continue
        if has_venv "$python"; then return 0; fi
        without_venv=${without_venv:-$python}
    done
    if [ -n "$without_venv" ]; then
        fail "$without_venv has no venv module: on Debian or Ubuntu run" \
            "'sudo apt install python$(version_of "$without_venv")-venv', then make again."
    fi
    if [ -n "$wanted" ]; then
        fail "'$wanted' is not Python 3.11, 3.12 or 3.13: name one that is, as in" \
            "'make PYTHON=/usr/bin/python3.12'."
    fi
    fail "no Python 3.11, 3.12 or 3.13 found: install one (on Debian or Ubuntu" \
        "'sudo apt install python3 python3-venv') or name it, as in 'make PYTHON=/path/to/python3.12'."
}

venv_is_usable() {
    [ ! -e "$venv/.incomplete" ] || return 1
    is_supported "$venv/bin/python" || return 1
    "$venv/bin/python" -c 'import pip' 2>/dev/null || return 1
    [ -z "$wanted" ] || [ "$(version_of "$venv/bin/python")" = "$(version_of "$wanted")" ]
}

# A stamp names the dependencies, the build settings and the place: a copied folder installs itself anew.
stamp_of() {
    key=$( (pwd; cat "requirements/$1.lock" pyproject.toml) | cksum | cut -d' ' -f1)
    echo "$venv/.stamp-$1-$key"
}

make_venv() {
    choose_python
    say "making $venv with $("$python" -c 'import sys; print("Python", sys.version.split()[0])')"
    "$python" -m venv --clear "$venv" || fail "$python could not make $venv, see the lines above."
}

# What an interrupted run leaves half done is marked, and made from nothing the next time.
install() {
    say "installing the locked dependencies (requirements/$1.lock) into $venv;" \
        "the first time this takes a minute or two ..."
    : > "$venv/.incomplete"
    rm -f "$venv/.stamp-$1-"*
    if ! "$venv/bin/python" -m pip install -q -r "requirements/$1.lock" ||
        ! "$venv/bin/python" -m pip install -q --no-deps --no-build-isolation -e .; then
        fail "the installation failed, see the lines above; put that right and run make again."
    fi
    rm "$venv/.incomplete"
    : > "$2"
}

if [ -n "$wanted" ]; then choose_python; fi
venv_is_usable || make_venv
if [ "$level" = bare ]; then exit 0; fi
dev=$(stamp_of dev)
if [ ! -e "$dev" ]; then
    stamp=$(stamp_of "$level")
    [ -e "$stamp" ] || install "$level" "$stamp"
fi
