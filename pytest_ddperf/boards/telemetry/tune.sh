# Reads, changes or restores the settings of a board's speed: DDPERF_ACTION is look, apply or restore. POSIX sh.
#
# Output: `was KIND VALUE` is a current setting, `did TEXT` an action that succeeded, `not TEXT` one that failed.
R=${DDPERF_SYSFS_ROOT-}

has() { command -v "$1" >/dev/null 2>&1; }

root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }

# run a command as root, quietly; report its output if it fails
try() {
    what=$1
    shift
    if said=$(root "$@" 2>&1 </dev/null); then
        echo "did $what"
    else
        echo "not $what: $(echo "$said" | tail -n 1)"
    fi
}

governors() {
    found=
    for file in "$R"/sys/devices/system/cpu/cpufreq/policy*/scaling_governor; do
        [ -f "$file" ] && found=1 && "$@" "$file"
    done
    [ -n "$found" ] && return
    for file in "$R"/sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor; do # kernels before 4.x
        [ -f "$file" ] && "$@" "$file"
    done
}

look_at() { read -r value <"$1" && echo "was governor ${1#"$R"}=$value"; }

# write a governor to a file, and check that the kernel accepted it
put() {
    echo "$1" | root tee "$2" >/dev/null 2>&1
    read -r value <"$2"
    if [ "$value" = "$1" ]; then
        echo "did governor ${2#"$R"} $1"
    else
        echo "not governor ${2#"$R"} $1: it is $value"
    fi
}

look() {
    if [ -n "${DDPERF_NVPMODEL-}" ] && ! has nvpmodel; then
        echo "not nvpmodel: the command does not exist on the board, so the mode $DDPERF_NVPMODEL cannot be set"
    elif [ -n "${DDPERF_NVPMODEL-}" ]; then
        mode=$(root nvpmodel -q 2>/dev/null </dev/null | while read -r line; do
            case $line in *[!0-9]* | "") ;; *) echo "$line" ;; esac
        done)
        if [ -n "$mode" ]; then echo "was nvpmodel $mode"; else echo "not nvpmodel: it does not report its mode"; fi
    fi
    if has jetson_clocks; then
        store=/tmp/ddperf-clocks.$$ # a new file: jetson_clocks prompts before it overwrites one
        try "clocks stored" jetson_clocks --store "$store"
        echo "was clocks $store"
    else
        governors look_at
    fi
}

apply() {
    if has nvpmodel && [ -n "${DDPERF_NVPMODEL-}" ]; then
        try "nvpmodel -m $DDPERF_NVPMODEL" nvpmodel -m "$DDPERF_NVPMODEL"
    fi
    if has jetson_clocks; then
        try jetson_clocks jetson_clocks
    else
        governors put performance
    fi
}

restore() {
    if [ -n "${DDPERF_WAS_NVPMODEL-}" ]; then try "nvpmodel -m $DDPERF_WAS_NVPMODEL" nvpmodel -m "$DDPERF_WAS_NVPMODEL"; fi
    if [ -n "${DDPERF_WAS_CLOCKS-}" ] && [ ! -e "$DDPERF_WAS_CLOCKS" ]; then
        # a reboot empties /tmp and also resets the clocks
        echo "did jetson_clocks --restore skipped: $DDPERF_WAS_CLOCKS is gone, so the board has been rebooted since"
    elif [ -n "${DDPERF_WAS_CLOCKS-}" ]; then
        line=$(try "jetson_clocks --restore" jetson_clocks --restore "$DDPERF_WAS_CLOCKS")
        echo "$line"
        case $line in did*) root rm -f "$DDPERF_WAS_CLOCKS" ;; esac # else the next attempt needs it
    fi
    for one in ${DDPERF_WAS_GOVERNORS-}; do put "${one#*=}" "$R${one%%=*}"; done
}

echo "ddperf-tune 1"
"$DDPERF_ACTION"
echo end
