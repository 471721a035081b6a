# SPDX-License-Identifier: MIT
# Completion of taskpool(1) for bash.

# Words that complete $cur.
_taskpool_words()
{
    mapfile -t COMPREPLY < <(compgen -W "$1" -- "$cur")
}

_taskpool_files()
{
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$cur")
}

# Lines of standard input that begin with $cur. What a cluster says is never expanded, as compgen -W would.
_taskpool_lines()
{
    local line
    while read -r line; do
        [[ $line == "$cur"* ]] && COMPREPLY+=("$(printf %q "$line")")
    done
}

# The names of the nodes, if the cluster answers at once.
_taskpool_nodes()
{
    _taskpool_lines < <(taskpool node list --names --timeout=1s 2>/dev/null)
}

# The beginnings of the sessions, for SESSION/NUMBER.
_taskpool_sessions()
{
    compopt -o nospace 2>/dev/null
    _taskpool_lines < <(taskpool status --json --timeout=1s 2>/dev/null |
        sed -n 's/^ *"session": "\([0-9a-f]\{8\}\).*/\1\//p')
}

_taskpool()
{
    local cur=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local commands="demo keygen authorize run status top why node help"
    local ask="--coordinator= --key= --authorized-keys= --timeout="
    local command=${COMP_WORDS[1]} options="" first=2
    COMPREPLY=()

    if ((COMP_CWORD == 1)); then
        _taskpool_words "$commands --help --version"
        return
    fi
    if [[ $command == node ]]; then
        if ((COMP_CWORD == 2)); then
            _taskpool_words "list drain --help"
            return
        fi
        command="node ${COMP_WORDS[2]}" first=3
    fi
    case $command in
        demo) options="--nodes= --workers=" ;;
        keygen) options="--name= --show" ;;
        authorize) options="--file=" ;;
        run) options="--coordinator= --key= --authorized-keys= --loopback= --workers=" ;;
        status | why) options="--json $ask" ;;
        top) options="--interval= $ask" ;;
        "node list") options="--json --names $ask" ;;
        "node drain") options="--no-wait --wait= $ask" ;;
        help)
            ((COMP_CWORD == 2)) && _taskpool_words "$commands"
            return
            ;;
        *) return ;;
    esac

    # The words behind the program of `run` are the program's.
    local i words=0
    for ((i = first; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
            -[ckaftnliw]) ((i++)) ;;
            -* | =) ;;
            *) [[ ${COMP_WORDS[i - 1]} == = ]] || ((++words)) ;;
        esac
    done
    if [[ $command == run ]] && ((words > 0)); then
        _taskpool_files
        return
    fi

    # readline splits --key=FILE at the =
    [[ $cur == = ]] && cur="" previous="${COMP_WORDS[COMP_CWORD - 1]}"
    [[ $previous == = ]] && previous=${COMP_WORDS[COMP_CWORD - 2]}
    case $previous in
        --key | --authorized-keys | --file | -k | -a | -f)
            _taskpool_files
            return
            ;;
        --coordinator | -c | --timeout | -t | --interval | -i | --nodes | --workers | --loopback | -l | --name | --wait)
            return
            ;;
    esac
    if [[ $cur == -* ]]; then
        compopt -o nospace 2>/dev/null
        _taskpool_words "$options --help --version"
        ((${#COMPREPLY[@]} == 1)) && [[ ${COMPREPLY[0]} != *= ]] && COMPREPLY[0]+=" "
        return
    fi
    case $command in
        keygen) _taskpool_files ;;
        authorize) ((words == 0)) && _taskpool_words "driver node coordinator admin" ;;
        run)
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -c -- "$cur" && compgen -f -- "$cur")
            ;;
        why) ((words == 0)) && _taskpool_sessions ;;
        "node drain") ((words == 0)) && _taskpool_nodes ;;
    esac
}

complete -F _taskpool taskpool
