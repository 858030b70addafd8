# bash completion of minivm; in a checkout: . tools/completion/minivm.bash
# The options are those that `minivm help --options` lists.

_minivm()
{
    local minivm=${COMP_WORDS[0]/#\~/$HOME} cur=${COMP_WORDS[COMP_CWORD]}
    local prev=${COMP_WORDS[COMP_CWORD - 1]} i list value=

    COMPREPLY=()
    if [ "$COMP_CWORD" = 1 ]; then
        COMPREPLY=($(compgen -W 'run snapshot check inspect cache help version' -- "$cur"))
        return
    fi
    for ((i = 2; i < COMP_CWORD; i++)); do
        if [ "${COMP_WORDS[i]}" = -- ]; then
            return
        fi
    done
    case ${COMP_WORDS[1]} in
    help) COMPREPLY=($(compgen -W run -- "$cur")); return ;;
    check) COMPREPLY=($(compgen -W '--quiet --engine kvm soft' -- "$cur")) && return ;;
    cache) COMPREPLY=($(compgen -W clear -- "$cur")); return ;;
    inspect) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    run) ;;
    *) return ;;
    esac

    # A line is - `-k`, `--kernel FILE`: TEXT
    list=$("$minivm" help --options 2>/dev/null)
    if [[ $prev =~ ^--?[a-z-]+$ ]]; then
        value=$(sed -nE "s/^- (\`$prev\`, \`--[a-z-]+|(\`-.\`, )?\`$prev) ([^\`]+)\`: .*/\3/p" <<<"$list")
    fi
    case $value in
    '' | FILE* | DIR*) ;;
    *'|'*) COMPREPLY=($(compgen -W "${value//|/ }" -- "$cur")); return ;;
    *) return ;;
    esac
    case $cur in
    -*) COMPREPLY=($(compgen -W \
        "$(sed -nE 's/^- (`-.`, )?`(--[a-z-]+).*/\2/p' <<<"$list")" -- "$cur")) ;;
    *) COMPREPLY=($(compgen -f -- "$cur")) ;;
    esac
}
complete -o filenames -F _minivm minivm
