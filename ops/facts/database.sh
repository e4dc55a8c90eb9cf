# shellcheck shell=sh
# A service or an address in the host's own environment would lead libpq elsewhere.
unset PGSERVICE PGSERVICEFILE PGHOSTADDR PGTARGETSESSIONATTRS
# libpq before 16 does not know `sslrootcert=system`: the files in which systems keep it.
system_authorities() {
  for file in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem; do
    if [ -r "$file" ]; then PGSSLROOTCERT=$file; export PGSSLROOTCERT; return; fi
  done
}
