# Flattens JSON: one line `path=value` per leaf, `conns.requested=1000`, `conns.errors.0.side=server`.
# Enough for our own reports, where only cargo and awk are at hand. Strings keep their escapes.

{ text = text $0 "\n" }

END {
    at = 1
    value("")
}

function blank() {
    while (substr(text, at, 1) ~ /[ \t\r\n]/) at++
}

# Reads the string that starts at `at`; leaves `at` behind its closing quote.
function quoted(   from) {
    from = ++at
    while (at <= length(text) && substr(text, at, 1) != "\"") {
        if (substr(text, at, 1) == "\\") at++
        at++
    }
    return substr(text, from, at++ - from)
}

function join(path, name) {
    return path == "" ? name : path "." name
}

function value(path,   c, from, index_) {
    blank()
    c = substr(text, at, 1)
    if (c == "{" || c == "[") {
        at++
        index_ = 0
        for (;;) {
            blank()
            if (at > length(text)) { print "error=unfinished JSON"; exit 1 }
            if (substr(text, at, 1) ~ /[]}]/) { at++; return }
            if (substr(text, at, 1) == ",") { at++; continue }
            if (c == "{") {
                key[path] = quoted()
                blank()
                at++
                value(join(path, key[path]))
            } else {
                value(join(path, index_++))
            }
        }
    }
    if (c == "\"") {
        print path "=" quoted()
        return
    }
    from = at
    while (at <= length(text) && substr(text, at, 1) !~ /[],} \t\r\n]/) at++
    if (at == from) { print "error=not JSON"; exit 1 }
    print path "=" substr(text, from, at - from)
}
