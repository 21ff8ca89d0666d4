#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The schemas in docs/schemas say what the programs do: real files keep them, and their limits are the programs' limits.

bats_require_minimum_version 1.5.0
load common

setup() {
    schemas=$TBK_SOURCE/docs/schemas
    golden=$TBK_SOURCE/tests/golden
}

# validate SCHEMA FILE...: each file (YAML or JSON) keeps docs/schemas/SCHEMA.schema.json.
validate() { "$TBK_SOURCE/tests/keeps-schema" "$@"; }

# none_is_valid SCHEMA FILE: each line of the file is a YAML document that the schema refuses.
none_is_valid() { "$TBK_SOURCE/tests/keeps-schema" --no-line "$@"; }

# Renders 'minimal' with the options on standard input.
render() {
    cat >"$workspace/envs/minimal.backup.yml"
    "$TBK_BUILD/bin/torrust-backup" --working-dir "$workspace" render minimal
}

@test "every schema is one, and closed" {
    python3 - "$schemas"/*.json <<'END'
import json, sys, jsonschema
def objects(node):
    if isinstance(node, dict):
        if "properties" in node and "type" in node:
            yield node
        for child in node.values():
            yield from objects(child)
    elif isinstance(node, list):
        for child in node:
            yield from objects(child)
for path in sys.argv[1:]:
    schema = json.load(open(path))
    jsonschema.Draft7Validator.check_schema(schema)
    assert schema["$schema"].endswith("draft-07/schema#"), path
    for node in objects(schema):
        assert node.get("additionalProperties") is False, (path, list(node["properties"]))
END
}

@test "options files and rendered engine.yml keep their schemas" {
    validate options "$golden"/*/options.yml
    validate engine "$golden"/*/engine.yml
    awk '/^```/ { inside = /yaml/; next } inside' "$TBK_SOURCE/docs/operate.md" >"$BATS_TEST_TMPDIR/documented.yml"
    [ -s "$BATS_TEST_TMPDIR/documented.yml" ]
    validate options "$BATS_TEST_TMPDIR/documented.yml"
}

@test "the configuration that is shown for other containers is one" {
    awk '/^```/ { inside = /yaml/; n += inside; next } inside && n == 2' "$TBK_SOURCE/docs/choosing.md" >"$BATS_TEST_TMPDIR/engine.yml"
    [ -s "$BATS_TEST_TMPDIR/engine.yml" ]
    validate engine "$BATS_TEST_TMPDIR/engine.yml"
    run "$TBK_BUILD/bin/torrust-backup-engine" list --config "$BATS_TEST_TMPDIR/engine.yml"
    [ "$status" = 10 ] # read; only the store is not on this machine
}

@test "manifest and proof of a real backup keep their schemas" {
    sqlite3 "$BATS_TEST_TMPDIR/tracker.db" 'CREATE TABLE torrents (info_hash TEXT); INSERT INTO torrents VALUES (1);'
    "$TBK_BUILD/bin/torrust-backup-engine" backup --sqlite "$BATS_TEST_TMPDIR/tracker.db" --store "$BATS_TEST_TMPDIR/store"
    validate manifest "$BATS_TEST_TMPDIR"/store/2*/manifest.json
    validate proof "$BATS_TEST_TMPDIR"/store/2*/proof.json
}

@test "the schemas refuse what the programs refuse" {
    make_workspace
    cat >"$BATS_TEST_TMPDIR/refused" <<'END'
keepdays: 7
keep_days: "7"
keep_days: 7.5
schedule: 5
schedule: "@reboot"
schedule: "0 3 * *"
schedule: "0 3 * * * *"
method: warm
hold: always
database_tls: no
mode: cron
store: relative
store: /srv/
store: /srv//backup
store: /
verify: {limit: 5}
verify: 5
ssh: {host: -oProxyCommand=id}
ssh: {host: "a b"}
ssh: {user: -l}
ssh: {key: id_ed25519}
ssh: {program: telnet}
ssh: {port: "22"}
END
    none_is_valid options "$BATS_TEST_TMPDIR/refused"
    count=0
    while IFS= read -r options; do
        run render <<<"$options"
        echo "$options: $output"
        [ "$status" = 2 ]
        [[ $output == *minimal.backup.yml:1:* ]]
        count=$((count + 1))
    done <"$BATS_TEST_TMPDIR/refused"
    [ "$count" = 23 ]
    [ ! -e "$workspace/build" ]
}

@test "numbers: the schema's limits are the program's" {
    make_workspace
    python3 - "$schemas/options.schema.json" >"$BATS_TEST_TMPDIR/limits" <<'END'
import json, sys
def walk(properties, wrap):
    for name, property in properties.items():
        if "properties" in property:
            needed = "repository: /srv/a, " if "repository" in property.get("required", []) else ""
            walk(property["properties"], lambda text, name=name, needed=needed: f"{name}: {{{needed}{text}}}")
        elif "minimum" in property:
            low, high = property["minimum"], property["maximum"]
            for value, status in (low - 1, 2), (low, 0), (high, 0), (high + 1, 2):
                print(status, wrap(f"{name}: {value}"))
walk(json.load(open(sys.argv[1]))["properties"], lambda text: text)
END
    count=0
    while read -r expected options; do
        run render <<<"$options"
        echo "$options: $output"
        [ "$status" = "$expected" ]
        count=$((count + 1))
    done <"$BATS_TEST_TMPDIR/limits"
    [ "$count" = 72 ]
}

@test "defaults: the schema's are the program's" {
    make_workspace
    render </dev/null
    python3 - "$schemas/options.schema.json" "$workspace/build/minimal/torrust-backup/engine.yml" <<'END'
import json, sys, yaml
properties = json.load(open(sys.argv[1]))["properties"]
engine = yaml.safe_load(open(sys.argv[2]))
compared = [name for name in properties if "default" in properties[name] and name in engine]
assert len(compared) == 11, compared
for name in compared:
    assert properties[name]["default"] == engine[name], name
END
}

@test "editors: a schema names what each option does" {
    python3 - "$schemas/options.schema.json" <<'END'
import json, sys
def walk(properties):
    for name, property in properties.items():
        if "properties" in property:
            walk(property["properties"])
        else:
            assert len(property.get("description", "")) > 10, name
walk(json.load(open(sys.argv[1]))["properties"])
END
}
