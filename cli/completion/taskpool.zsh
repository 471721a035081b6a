#compdef taskpool
# SPDX-License-Identifier: MIT
# Completion of taskpool(1) for zsh.

_taskpool_nodes()
{
    local -a nodes
    nodes=(${(f)"$(taskpool node list --names --timeout=1s 2>/dev/null)"})
    _describe -t nodes node nodes
}

_taskpool_sessions()
{
    local -a sessions
    sessions=(${(f)"$(taskpool status --json --timeout=1s 2>/dev/null |
        sed -n 's/^ *"session": "\([0-9a-f]\{8\}\).*/\1/p')"})
    compadd -S / -a sessions
}

_taskpool()
{
    local -a commands node_commands identity ask
    local context state line
    typeset -A opt_args
    commands=(
        'demo:ten seconds on a throw-away cluster'
        'keygen:make a key, or show its public half'
        'authorize:trust a key'
        'run:run a program on a cluster'
        'status:the coordinator, its nodes, its sessions'
        'top:the same again every second'
        'why:why a task waits, or what runs it'
        'node:list nodes, drain one'
        'help:what a command does'
    )
    node_commands=('list:the nodes of the cluster' 'drain:give a node nothing more to do')
    identity=(
        '(-c --coordinator)'{-c+,--coordinator=}'[where it listens]:endpoint:'
        '(-k --key)'{-k+,--key=}'[your key]:file:_files'
        '(-a --authorized-keys)'{-a+,--authorized-keys=}'[whom you believe]:file:_files'
        '(- *)--help[say more]'
        '(- *)--version[say the version]'
    )
    ask=($identity '(-t --timeout)'{-t+,--timeout=}'[how long to wait for an answer]:time:')

    _arguments -C '(- *)--help[say more]' '(- *)--version[say the version]' '1: :->command' '*:: :->arguments' && return
    if [[ $state == command ]]; then
        _describe -t commands command commands
        return
    fi
    case $words[1] in
        demo) _arguments '(-n --nodes)'{-n+,--nodes=}'[how many nodes]:number:' \
            '(-w --workers)'{-w+,--workers=}'[workers a node]:number:' ;;
        keygen) _arguments '(-n --name)'{-n+,--name=}'[what the key is called]:name:' \
            '(-s --show)'{-s,--show}'[print the public half]' '1:file:_files' ;;
        authorize) _arguments '(-f --file)'{-f+,--file=}'[the list]:file:_files' \
            '1:role:(driver node coordinator admin)' '2:key:' '3:name:' ;;
        run) _arguments $identity '(-l --loopback)'{-l+,--loopback=}'[on a throw-away cluster of so many nodes]:number:' \
            '(-w --workers)'{-w+,--workers=}'[workers a node]:number:' '1:program:_command_names -e' '*::argument:_normal' ;;
        status) _arguments $ask '(-j --json)'{-j,--json}'[for scripts]' ;;
        top) _arguments $ask '(-i --interval)'{-i+,--interval=}'[how often]:time:' ;;
        why) _arguments $ask '(-j --json)'{-j,--json}'[for scripts]' '1:task:_taskpool_sessions' ;;
        help) _describe -t commands command commands ;;
        node)
            if ((CURRENT == 2)); then
                _describe -t commands command node_commands
                return
            fi
            shift words
            ((CURRENT--))
            case $words[1] in
                list) _arguments $ask '(-j --json)'{-j,--json}'[for scripts]' '(-n --names)'{-n,--names}'[names only]' ;;
                drain) _arguments $ask '(-n --no-wait -w --wait)'{-n,--no-wait}'[do not wait]' \
                    '(-n --no-wait -w --wait)'{-w+,--wait=}'[how long its tasks may take]:time:' \
                    '1:node:_taskpool_nodes' ;;
            esac
            ;;
    esac
}

_taskpool "$@"
