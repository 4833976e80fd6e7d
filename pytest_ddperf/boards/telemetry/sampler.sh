# Prints this machine's sensor readings once a second until its output is closed. POSIX sh: works in dash and busybox.
# `sleep` is the only process started per sample, so that the sampler does not disturb the measurement.
#
# Each line is a letter, a value and a name: t millidegrees, c state of a cooling device, f kHz, F Hz, g governor,
# w milliwatts, v the Raspberry Pi's throttling bits (hexadecimal), u its under-voltage alarm, n a counter of throttling,
# m power mode, l load, T a line of tegrastats, N a line of nvidia-smi; s begins and e ends a sample.
R=${DDPERF_SYSFS_ROOT-}
GPU=${DDPERF_GPU-0}
CPU=$R/sys/devices/system/cpu

# read the first line of a file into v
first() {
    v=
    { read -r v <"$1"; } 2>/dev/null
    [ -n "$v" ]
}

has() { command -v "$1" >/dev/null 2>&1; }

# print a value and a name, read from two files
pair() { first "$2" && { p=$v; first "$3" && echo "$1 $p $v"; }; }

zones() {
    for z in "$R"/sys/class/thermal/thermal_zone*; do pair t "$z/temp" "$z/type"; done
    for z in "$R"/sys/class/thermal/cooling_device*; do pair c "$z/cur_state" "$z/type"; done
}

clock() {
    first "$1/scaling_cur_freq" && echo "f $v $2"
    first "$1/scaling_governor" && echo "g $v $2"
}

clocks() {
    k=0
    for z in "$CPU"/cpufreq/policy*; do
        [ -d "$z" ] && [ $k -lt 8 ] || continue
        k=$((k + 1))
        clock "$z" "${z##*/}"
    done
    if [ $k = 0 ]; then # kernels before 4.x
        for z in "$CPU"/cpu[0-3]/cpufreq; do
            [ -d "$z" ] || continue
            n=${z%/cpufreq}
            clock "$z" "${n##*/}"
        done
    fi
    for z in "$R"/sys/class/devfreq/*; do
        case ${z##*/} in
        *gpu* | *gk20a* | *gm20b* | *gp10b* | *gv11b* | *ga10b*) first "$z/cur_freq" && echo "F $v gpu" ;;
        esac
    done
}

rails() {
    for z in "$R"/sys/bus/i2c/drivers/ina3221x/*/iio:device*; do # Jetson, L4T up to 32
        for i in 0 1 2; do pair w "$z/in_power${i}_input" "$z/rail_name_$i"; done
    done
    for z in "$R"/sys/class/hwmon/hwmon*; do
        first "$z/name" || continue
        case $v in
        ina3221) # Jetson, L4T from 34 on: millivolts and milliamperes
            for i in 1 2 3; do
                first "$z/in${i}_input" && p=$v && first "$z/curr${i}_input" && p=$((p * v / 1000)) &&
                    first "$z/in${i}_label" && echo "w $p $v"
            done
            ;;
        soctherm_oc) for i in 1 2 3; do first "$z/oc${i}_event_cnt" && echo "n $v over-current event $i"; done ;;
        rpi_volt) first "$z/in0_lcrit_alarm" && echo "u $v" ;;
        esac
    done
}

counters() {
    k=0
    found=
    for z in "$CPU"/cpu[0-9]*/thermal_throttle; do
        first "$z/core_throttle_count" && k=$((k + v)) && found=1
        first "$z/package_throttle_count" && k=$((k + v)) && found=1
    done
    [ -n "$found" ] && echo "n $k thermal throttling of the CPU"
}

raspberry() {
    if first "$R/sys/devices/platform/soc/soc:firmware/get_throttled"; then
        echo "v $v"
    elif [ -n "$vc" ]; then
        v=$(vcgencmd get_throttled 2>/dev/null </dev/null) && echo "v ${v#throttled=}"
        [ -d "$R/sys/class/thermal/thermal_zone0" ] && return
        v=$(vcgencmd measure_temp 2>/dev/null </dev/null) && echo "C ${v#temp=} soc"
    fi
}

sample() {
    echo s || exit
    zones
    clocks
    rails
    counters
    raspberry
    first "$R/proc/loadavg" && echo "l ${v%% *}"
    echo e
}

# print each line of a program that keeps printing
tagged() { while read -r line; do echo "$1 $line" || exit; done; }

echo "ddperf-telemetry 1"
vc=
has vcgencmd && vc=1
if has nvpmodel; then
    nvpmodel -q 2>/dev/null </dev/null | while read -r line; do
        case $line in "NV Power Mode: "*) echo "m ${line#NV Power Mode: }" ;; esac
    done
fi
if has tegrastats && [ -z "$(rails)" ]; then
    tegrastats --interval 1000 2>/dev/null </dev/null | tagged T &
fi
if has nvidia-smi; then
    for reasons in clocks_event_reasons clocks_throttle_reasons; do # the name changed with driver 535
        query="--query-gpu=temperature.gpu,clocks.sm,power.draw,$reasons.active"
        nvidia-smi "$query" --format=csv,noheader,nounits -i "$GPU" >/dev/null 2>&1 </dev/null || continue
        nvidia-smi "$query" --format=csv,noheader,nounits -i "$GPU" -l 1 2>/dev/null </dev/null | tagged N &
        break
    done
fi
while :; do
    sample
    sleep 1 </dev/null
done
