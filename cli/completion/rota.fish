# Completion of rota for fish. `rota __complete` knows what fits, from the table of commands and from Redis.
function __rota_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l program $words[1]
    set -e words[1]
    for line in (command $program __complete -- $words "$current" 2>/dev/null)
        if string match -q ':files*' -- $line
            __fish_complete_path "$current"
        else
            echo $line
        end
    end
end
complete -c rota -f -a '(__rota_complete)'
