# shellcheck shell=sh disable=SC2154
# Takes a plain pg_dump and proves that it is whole before it gets its name.
# Given: backups, stamp, server_major, needed (KiB), reserve (KiB), card.
umask 077
same_database
client=$(pg_dump --version) || { echo "pg_dump: not found on the host"; exit 1; }
client_version=$(printf '%s\n' "$client" | sed 's/^[^0-9]*\([0-9][0-9.]*\).*/\1/')
[ "${client_version%%.*}" -ge "$server_major" ] || {
  echo "pg_dump $client_version cannot dump a server of version $server_major: install postgresql-client-$server_major, or name its directory in \`path\`"
  exit 1
}
mkdir -p "$backups" || exit 1
backups=$(cd "$backups" && pwd -P) || exit 1
file=$backups/pre-migration-$stamp.sql
part=$file.part
free() { df -Pk "$backups" | awk 'END { print $(NF - 2) }'; }
[ "$(free)" -gt $((needed + reserve)) ] || {
  echo "$backups: $(free) KiB free, $((needed + reserve)) KiB wanted (the database and a reserve)"
  exit 1
}
[ ! -e "$file" ] || { echo "$file is there already"; exit 1; }
dump=
trap 'rm -f "$part" "$file.json.part"' EXIT
trap '[ -z "$dump" ] || kill "$dump"; exit 1' INT TERM HUP
echo "pg_dump $client_version of $PGUSER@$PGHOST:$PGPORT/$PGDATABASE to $file"
began=$(date +%s)
# -w never asks; a lock that somebody holds is waited for 60 s at most.
pg_dump -w -F p --lock-wait-timeout=60s -f "$part" &
dump=$!
seen=0
ticks=0
while kill -0 "$dump" 2>/dev/null; do
  sleep 0.2
  ticks=$((ticks + 1))
  [ $((ticks % 10)) -eq 0 ] && [ -e "$part" ] || continue
  size=$(($(wc -c <"$part")))
  echo "  $((size / 1024)) KiB written, $(((size - seen) / 2048)) KiB/s"
  seen=$size
  [ "$(free)" -gt "$reserve" ] || { echo "stopped: less than $reserve KiB are free"; kill "$dump"; break; }
done
wait "$dump"
code=$?
dump=
[ "$code" -eq 0 ] || { echo "pg_dump failed with exit code $code"; exit 1; }
# Whole: from the header to the trailer, which stands in the last 400 bytes. Since the minor
# releases of August 2025 a line `\unrestrict TOKEN` follows, with the token of the beginning.
head -n 5 "$part" | grep -q '^-- PostgreSQL database dump$' || { echo "$part does not begin as a dump"; exit 1; }
tail -c 400 "$part" | grep -q '^-- PostgreSQL database dump complete$' || { echo "$part does not end as a dump"; exit 1; }
token=$(head -n 10 "$part" | sed -n 's/^\\restrict //p')
if [ -n "$token" ]; then
  tail -c 400 "$part" | grep -q "^\\\\unrestrict $token\$" || { echo "$part: the \\unrestrict line is missing"; exit 1; }
fi
# Read back from the first byte to the last, as text.
lines=$(grep -c '' "$part") || { echo "$part cannot be read back"; exit 1; }
sum=$({ sha256sum "$part" 2>/dev/null || shasum -a 256 "$part"; } | cut -d' ' -f1)
[ ${#sum} -eq 64 ] || { echo "no SHA-256 of $part"; exit 1; }
size=$(($(wc -c <"$part")))
printf '%s,"file":"%s","size":%s,"lines":%s,"sha256":"%s","pg_dump":"%s","seconds":%s,"finished_at":"%s","level":"decoded"}\n' \
  "$card" "$(basename "$file")" "$size" "$lines" "$sum" "$client_version" "$(($(date +%s) - began))" \
  "$(date -u +%Y-%m-%dT%H:%M:%SZ)" >"$file.json.part" || exit 1
mv "$part" "$file" && mv "$file.json.part" "$file.json" || exit 1
case $(ls -ld "$backups") in
  drwx------*) ;;
  *) echo "note: others can look into $backups (chmod 700 it); the backup itself is readable by you only" ;;
esac
echo "backup complete: $file"
echo "  $size bytes, sha256 $sum"
