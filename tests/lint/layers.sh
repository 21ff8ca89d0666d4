#!/usr/bin/env bash
# Checks that every folder of plugin/ includes only what stands to its right, that the headers of
# other projects are included only where docs/architecture.md says, and that only entry/ prints.
#
#   entry → adapters | commands → render | engine → store → database → ports → domain → base
set -euo pipefail
cd "$(dirname "$0")/../.."

may_include() {
    case $1 in
    base) echo base ;;
    domain) echo domain base ;;
    ports) echo ports domain base ;;
    database) echo database ports domain base ;;
    store) echo store database ports domain base ;;
    engine) echo engine store database ports domain base ;;
    render) echo render store database ports domain base ;;
    commands) echo commands render engine store database ports domain base ;;
    adapters) echo adapters ports domain base ;;
    entry) echo entry adapters commands render engine store database ports domain base torrust_backup ;;
    include) echo torrust_backup ;;
    *) return 1 ;;
    esac
}

# Where a header of another project may be included; others are the C library's and Linux's.
home_of() {
    case $1 in
    jansson*.h) echo plugin/base/json.c ;;
    yaml.h) echo plugin/base/yaml.c ;;
    openssl/*) echo plugin/base/digest.c ;;
    sqlite3*.h) echo 'plugin/database/sqlite/*' ;;
    mysql*.h | mariadb*.h | errmsg.h) echo 'plugin/database/mysql/*' ;;
    zstd*.h | zdict.h) echo 'plugin/store/archive_*' ;;
    libssh2*.h) echo 'plugin/adapters/*' ;;
    libssh/* | curl/* | glib*) echo nowhere ;;
    esac
}

failed=0
complain() {
    echo "$1" >&2
    failed=1
}

check_own() { # FILE LINE LAYER INCLUDED
    local folder=${4%%/*} allowed
    [[ $4 == */* ]] || complain "$1:$2: write \"$4\" from plugin/: \"folder/$4\""
    allowed=$(may_include "$3") || {
        complain "$1:$2: '$3' is no layer"
        return
    }
    [[ " $allowed " == *" $folder "* ]] || complain "$1:$2: $3/ may not include \"$4\" (only: $allowed)"
}

check_other() { # FILE LINE INCLUDED
    local home
    home=$(home_of "$3")
    # shellcheck disable=SC2053 # the home is a pattern
    [[ -z $home || $1 == $home ]] || complain "$1:$2: <$3> may be included in $home only"
}

while IFS=: read -r file line text; do
    layer=${file#plugin/}
    layer=${layer%%/*}
    case $text in
    *\"*\"*)
        included=${text#*\"}
        check_own "$file" "$line" "$layer" "${included%%\"*}"
        ;;
    *'<'*'>'*)
        included=${text#*<}
        check_other "$file" "$line" "${included%%>*}"
        ;;
    *) complain "$file:$line: this include cannot be checked: $text" ;;
    esac
done < <(find plugin -path plugin/hosts -prune -o -name '*.[ch]' -print0 | sort -z |
    xargs -0 grep -Hn '^[[:space:]]*#[[:space:]]*include')

# Nothing prints but entry/, and the console, which is the terminal's adapter.
prints='(^|[^[:alnum:]_])(v?[fd]?printf|f?puts|f?putc|putchar|fwrite|perror)(_unlocked)?\('
found=$(grep -rnE --include='*.[ch]' --exclude-dir=hosts --exclude-dir=entry --exclude=console.c "$prints" plugin) ||
    [ $? = 1 ]
[ -z "$found" ] || complain "Only entry/ prints; give it the text or the value:
$found"

# Only the store opens files of a set (store/set.h). So their names stand in domain/ and store/ alone; others may give a
# name to tbk_set_..., but neither spell it nor make a path of it. commands/ fetches and lists them on another machine.
while IFS=: read -r file line text; do
    complain "$file:$line: only store/ knows the files of a set (store/set.h): $text"
done < <(
    names='database\.(db|sql)\.zst|config\.tar\.zst|manifest\.json|proof\.json|SHA256SUMS'
    grep -rnE --include='*.[ch]' "\"[^\" ]*($names)|[/~]\" *TBK_SET_|TBK_SET_[A-Z]*_FILE *\"[/~]" plugin/base plugin/ports \
        plugin/database plugin/engine plugin/adapters plugin/entry
    # Nor is a path of a set's folder good for more than messages.
    grep -rnE --include='*.[ch]' "tbk_(file|directory)_[a-z_]*\(.*(tbk_set_path|set->path|set_path)|[^a-z_](open|openat|unlink|stat|access)\(.*(tbk_set_path|set->path|set_path)" \
        plugin/engine plugin/entry plugin/commands
)

[ $failed = 0 ] && echo "The include arrows hold, only entry/ prints, and only the store opens files of a set."
exit $failed
