main() {
export LC_ALL=C NO_COLOR=1 CHECKPOINT_DISABLE=1 GIT_TERMINAL_PROMPT=0
PATH=/srv/pg/bin:"$PATH"
mark=@0000feed
repo=/srv/case/repo
app=Backend
schema=Backend/prisma/schema.prisma
branch=main
fetch=yes
backups=/srv/case/backups
url_kind=env_file
url_place=/srv/case/.env
url_name=DATABASE_URL
direct_kind=''
direct_place=''
direct_name=''
database_sql=facts.sql
# database.sh, url.sh and facts.sh
}
{ main
}
