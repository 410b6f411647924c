#!/usr/bin/env bash
# Makes the first inputs of every fuzz target from what clients and backends say in tests/transcripts.
#   fuzz/seed.sh FOLDER     a folder per target
set -euo pipefail

stories=$(cd "$(dirname "${BASH_SOURCE[0]}")/../tests/transcripts" && pwd)
corpus=$1
# Lengths are bytes.
export LC_ALL=C

number=0

# seed TARGET FORMAT ARGUMENT…: one input, written as printf does. The same story gives the same names.
seed() {
  local folder=$corpus/$1
  shift
  [ -d "$folder" ] || mkdir -p "$folder"
  number=$((number + 1))
  # shellcheck disable=SC2059
  printf "$@" >"$folder/seed-$number"
}

# said FOLDER…: the messages of clients that are text, one per line.
said() {
  local folder
  for folder in "$@"; do
    sed -n 's/^C: //p' "$stories/$folder"/*.txt
  done | sort -u
}

# pushed: the bodies of pushes, one per line.
pushed() { sed -n 's/^push //p' "$stories"/*/*.txt | sort -u; }

# quoted TEXT: as a JSON string.
quoted() {
  local text=${1//\\/\\\\}
  printf '"%s"' "${text//\"/\\\"}"
}

# field TEXT: as the value of a form's field.
field() {
  local text=${1//%/%25}
  text=${text//&/%26}
  text=${text//+/%2B}
  text=${text// /+}
  printf %s "${text//\"/%22}"
}

# octal NUMBER…: bytes as printf escapes.
octal() { printf '\\%03o' "$@"; }

for pair in native:native classic:classic primus:primus realizehit:realizehit nodefony:nodefony rackhd_path:rackhd rackhd:rackhd bayeux:bayeux socketio4:socketio4 socketio5:socketio5 socketio5_recovery:socketio5; do
  for story in "$stories/${pair%:*}"/*.txt; do
    seed "${pair#*:}" '%s' "$(grep -E '^(C:|C#|push|hasty|woken)' "$story")"
  done
done

seed nodefony_login 'SASL mechanism="Digest",RGlnZXN0IHVzZXJuYW1lPSJ0b20i'
seed nodefony_login 'Digest username="tom",nonce="1.ab.cd",realm="house",response=dc3f85133d1c83bca4128abaf2478e1e,digest-uri="http/127.0.0.1:8601",cnonce="NTAwMDAwMDA=",qop=auth,nc=00000001'

while IFS= read -r text; do
  seed bayeux_batch '%s' "$text"
done < <(said bayeux)

while IFS= read -r text; do
  seed native_command '%s' "$text"
  array="[$(quoted "$text")]"
  seed sockjs_incoming '%s' "$array"
  seed sockjs_incoming 'i=1&d=%s' "$(field "$array")"
done < <(said native classic primus)

for asked in 'null' '"a"' '[1,"a"]' '{"a":1,"b":["x",null],"sort":{"b":-1,"a":"asc"},"skip":1,"limit":"2"}' \
  '{"where":{"or":[{"a":{">":1,"<=":"2"}},{"b":{"!":{"contains":"x%"}}}],"select":["a.b"]}}' \
  '{"createdAt":{">":"2016-01-31T12:30:00.120Z"},"node":"56173df732776c64852f8c91","like":{"a":"%x%"}}' \
  '{"$where":"1","a":{"$gt":""},"config.password":{"startsWith":"a"}}'; do
  seed criteria '\001%s' "$asked"
  seed criteria '\002%s' "$asked"
done

for claims in '{"sub":"adam","aud":"turted","exp":4102444800}' '{"sub":7,"aud":["turted"],"may":{"join":["room.**"]},"join":["room.7"]}'; do
  seed jwt '%s' "$claims"
  seed jwt '{"alg":"HS256","kid":"a"}\n%s' "$claims"
done
seed jwt 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGFtIn0.AAAA'
seed jwt '{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}'

while IFS= read -r text; do
  packet=4$text
  seed socketio_packet '%s' "$text"
  seed engineio_packet '%s' "$packet"
  # Protocol 4, and both formats of protocol 3.
  seed engineio_payload '\000%s\036b4AQID\0362' "$packet"
  seed engineio_payload '\001%d:%s6:b4AQID' ${#packet} "$packet"
  digits=$(sed 's/./\\00&/g' <<<${#packet})
  seed engineio_payload "\\003\\000$digits\\377%s\\001\\004\\377\\004\\001\\002\\003" "$packet"
  seed jsonp 'd=%s' "$(field "$packet")"
  seed urlencoded 'x=1&d=%s' "$(field "$packet")"
  if [ ${#packet} -lt 126 ]; then
    # Twice, with a mask that changes nothing.
    head=$(octal 129 $((128 + ${#packet})) 0 0 0 0)
    seed websocket "\\007$head%s$head%s" "$packet" "$packet"
  fi
done < <(said socketio4 socketio5 socketio5_recovery)
# A ping, a message in two fragments, a goodbye.
seed websocket '\100\211\200\0\0\0\0\001\202\0\0\0\0on\200\201\0\0\0\0e\210\202\0\0\0\0\003\350'

mapping='{"event":"E:{routing_key.1|x}","users":["{json.targets.users|}"],"channels":"{header.a}",'
mapping+='"broadcast":"{json.all|no}","id":"{json.id}",'
mapping+='"payload":{"a":"{json.payload}","b":["{fields}","{exchange} {body}"]}}'
while IFS= read -r body; do
  seed push '%s' "$body"
  seed push '[%s,{"exclude":{"users":"a","connections":["c"]},"auth":{"password":"x"},"id":"k"}]' "$body"
  seed event_stream 'turted-event\n%s' "$body"
  seed mapping '%s\n%s' "$mapping" "$body"
  seed mapping '"turted"\n%s' "$body"
  seed rest 'POST /push/\nBearer sesame\n%s' "$body"
  seed rest 'POST /sse\n\n{"auth":{"password":"sesame"},%s' "${body#\{}"
  seed tcp 'Bearer sesame\n%s\n\n{"password":"sesame"}\r\n' "$body"
  entry='*2\r\n$3\r\n1-1\r\n*2\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n'
  seed redis "*1\\r\\n*2\\r\\n\$1\\r\\ns\\r\\n*1\\r\\n$entry" 4 body ${#body} "$body"
  seed redis "*3\\r\\n\$3\\r\\n0-0\\r\\n*2\\r\\n*-1\\r\\n$entry*0\\r\\n" 1 a ${#body} "$body"
done < <(pushed)
for path in user/ad%C3%A4m/HI channel/a%2Fb/HI all/HI; do
  seed rest 'POST /push/%s\nBearer sesame\n[1]' "$path"
done
inline='[{"cmd":"notifyAll","params":{"password":"sesame","event":"HI"}}]'
seed rest 'GET /push/%s\n\n' "$(sed 's/\[/%5B/g; s/\]/%5D/g; s/{/%7B/g; s/}/%7D/g; s/"/%22/g' <<<"$inline")"

for path in '' /info /iframe-0.3.4.html /websocket /000/abc/xhr_streaming /a/b/jsonp_send/ /a/%2e/eventsource; do
  seed sockjs_path '%s' "$path"
done

log='WARN 42: x\r\nINFO: a secret\n{"a":1,"b":[true]}\nlevel=info msg="it \\"works\\"" retry\n'
log+='aé€\377 and a line which is longer than forty bytes are\n'
seed file "$log"
seed lines "\\002$log"
