#!/usr/bin/env bash
# The servers turted is measured against: Nchan in nginx, and the Socket.IO 4 peer in socketio.mjs.
#
# Run it to start both, print their addresses and process ids, and keep them until Ctrl-C:
#     tests/performance/peers.sh
#     turted bench --peer nchan --url http://127.0.0.1:PORT --pid PID
#
# Or source it and call start_nchan DIR and start_socketio DIR. They set NCHAN_URL, NCHAN_PID, SOCKETIO_URL and
# SOCKETIO_PID; stop_peers ends both. DIR is a temporary directory of yours, which receives everything they write.
# What is missing is installed: nginx and Nchan from Debian (as root), socket.io from npm into DIR.

PERFORMANCE_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
NCHAN_PID='' SOCKETIO_PID=''

command -v node >/dev/null || { echo "error: node is needed (18 or later, with npm)" >&2; exit 1; }

# A TCP port nobody listens on at the moment.
free_port() {
    node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })'
}

# await_port PORT PID LOG: until PORT accepts connections; fails, showing LOG, when PID ends or after 10 seconds.
await_port() {
    local tries
    for tries in $(seq 100); do
        (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return 0
        kill -0 "$2" 2>/dev/null || break
        sleep 0.1
    done
    echo "error: nothing listens on port $1 (tried $tries times); its log says:" >&2
    tail -n 20 "$3" >&2
    return 1
}

nchan_module() {
    command -v nginx >/dev/null || return 1
    local modules
    modules=$(nginx -V 2>&1 | grep -o 'modules-path=[^ ]*' | cut -d= -f2)
    [ -f "$modules/ngx_nchan_module.so" ] && echo "$modules/ngx_nchan_module.so"
}

start_nchan() {
    local dir=$1/nchan module port user='' files
    if ! module=$(nchan_module); then
        echo "installing nginx and libnginx-mod-nchan ..." >&2
        { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends nginx-light libnginx-mod-nchan; } \
            >"$1/apt.log" 2>&1 || { tail "$1/apt.log" >&2; return 1; }
        module=$(nchan_module) || { echo "error: nginx has no Nchan module after installing it" >&2; return 1; }
    fi
    files=$(ulimit -Hn)
    [ "$files" = unlimited ] && files=1000000
    port=$(free_port)
    mkdir -p "$dir"
    [ "$(id -u)" = 0 ] && user="user $(id -un) $(id -gn);"
    cat >"$dir/nginx.conf" <<CONF
load_module $module;
$user
daemon off;
worker_processes 2;
worker_rlimit_nofile $files;
error_log $dir/error.log warn;
pid $dir/nginx.pid;
events { worker_connections 32768; }
http {
    access_log off;
    client_body_temp_path $dir/body;
    proxy_temp_path $dir/proxy;
    fastcgi_temp_path $dir/fastcgi;
    uwsgi_temp_path $dir/uwsgi;
    scgi_temp_path $dir/scgi;
    keepalive_requests 1000000;
    nchan_shared_memory_size 256M;
    server {
        listen 127.0.0.1:$port backlog=4096;
        location = /sub {
            nchan_subscriber websocket;
            nchan_channel_id \$arg_id;
            nchan_subscriber_first_message newest;
        }
        location = /pub {
            nchan_publisher http;
            nchan_channel_id \$arg_id;
            nchan_message_buffer_length 32;
            nchan_message_timeout 1m;
        }
    }
}
CONF
    nginx -p "$dir" -c "$dir/nginx.conf" -e "$dir/error.log" >"$dir/out.log" 2>&1 &
    NCHAN_PID=$!
    NCHAN_URL=http://127.0.0.1:$port
    await_port "$port" "$NCHAN_PID" "$dir/error.log"
}

start_socketio() {
    local dir=$1/socketio port
    mkdir -p "$dir"
    cp "$PERFORMANCE_DIR/socketio.mjs" "$dir/"
    if [ ! -d "$dir/node_modules/socket.io" ]; then
        echo "installing socket.io 4.8 ..." >&2
        npm install --prefix "$dir" --no-audit --no-fund --silent 'socket.io@~4.8' >"$dir/npm.log" 2>&1 \
            || { tail "$dir/npm.log" >&2; return 1; }
    fi
    port=$(free_port)
    NODE_ENV=production PORT=$port node "$dir/socketio.mjs" >"$dir/out.log" 2>&1 &
    SOCKETIO_PID=$!
    SOCKETIO_URL=http://127.0.0.1:$port
    await_port "$port" "$SOCKETIO_PID" "$dir/out.log"
}

stop_peers() {
    local pid
    for pid in $NCHAN_PID $SOCKETIO_PID; do
        kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null
    done
    NCHAN_PID='' SOCKETIO_PID=''
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
    set -euo pipefail
    ulimit -Sn "$(ulimit -Hn)"
    dir=$(mktemp -d)
    trap 'stop_peers || true; rm -rf "$dir"' EXIT
    trap 'exit 0' INT TERM
    start_nchan "$dir"
    start_socketio "$dir"
    echo "nchan      $NCHAN_URL  --pid $NCHAN_PID"
    echo "socketio   $SOCKETIO_URL  --pid $SOCKETIO_PID"
    wait
fi
