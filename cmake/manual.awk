# A page of docs/ as a page of the manual, in mdoc(7): awk -v name=rota-handler -v section=7 -f manual.awk docs/HANDLERS.md
#
# Knows what our pages use: headings, paragraphs, lists of one level, tables, blocks of code, and text in `...` and **...**.

function escape(text) {
  gsub(/\\/, "\\e", text)
  return text
}

# Without the marks of markdown; what is in `...` stays as it is.
function plain(text) {
  text = escape(text)
  gsub(/\*\*/, "", text)
  gsub(/`/, "", text)
  gsub(/\\e\|/, "|", text)
  gsub(/-/, "\\-", text)
  return text
}

# A sentence to a line.
function line(text,    parts, count, i) {
  sub(/^[ \t]+/, "", text)
  sub(/[ \t]+$/, "", text)
  gsub(/\. +/, ".\n", text)
  gsub(/\? +/, "?\n", text)
  gsub(/! +/, "!\n", text)
  count = split(text, parts, /\n/)
  for (i = 1; i <= count; i++)
    if (parts[i] != "") print (parts[i] ~ /^[.']/ ? "\\\\&" : "") parts[i]
}

# In the arguments of a macro.
function quoted(text) {
  gsub(/"/, "\\(dq", text)
  return "\"" text "\""
}

function end_block() {
  if (block == "list" || block == "table") print ".El"
  if (block == "code") print ".Ed"
  block = ""
}

function begin_paragraph() {
  if (wants_paragraph && !fresh) print ".Pp"
  wants_paragraph = fresh = 0
}

function row(text,    cells, count, i, rest) {
  sub(/^\| */, "", text)
  sub(/ *\|$/, "", text)
  gsub(/\\\|/, "\001", text)
  count = split(text, cells, / *\| */)
  for (i = 1; i <= count; i++) gsub(/\001/, "|", cells[i])
  rest = ""
  for (i = 2; i <= count; i++)
    if (cells[i] !~ /^[ ]*$/) rest = rest (rest == "" ? "" : " \\(em ") plain(cells[i])
  print ".It " quoted(plain(cells[1] == "" ? "-" : cells[1]))
  line(rest)
}

BEGIN {
  print ".Dd November 20, 2026"
  print ".Dt " toupper(name) " " section
  print ".Os Rota"
  print ".Sh NAME"
  print ".Nm " name
  print ".Nd " about
  print ".Sh DESCRIPTION"
  fresh = 1
}

/^```/ && block == "code" { end_block(); wants_paragraph = 1; next }
block == "code" { text = escape($0); print (text ~ /^[.']/ ? "\\&" : "") text; next }
/^```/ { end_block(); print ".Bd -literal -offset indent"; block = "code"; fresh = wants_paragraph = 0; next }
/^<!--/ { next }
/^# / { next }
/^## / { end_block(); sub(/^## */, ""); print ".Sh " quoted(toupper(plain($0))); fresh = 1; wants_paragraph = 0; next }
/^###+ / { end_block(); sub(/^#+ */, ""); print ".Ss " quoted(plain($0)); fresh = 1; wants_paragraph = 0; next }
/^\|[-| :]+\|$/ { next }
/^\|/ {
  if (block != "table") { end_block(); print ".Bl -tag -width Ds"; block = "table"; fresh = 0; next } # the first row names the columns
  row($0)
  wants_paragraph = 1
  next
}
/^[-*] / {
  if (block != "list") { end_block(); print ".Bl -bullet"; block = "list"; fresh = 0 }
  print ".It"
  line(plain(substr($0, 3)))
  wants_paragraph = 1
  next
}
/^[ \t]*$/ { if (block != "list") { end_block(); wants_paragraph = 1 }; next }
block == "list" && !/^ / { end_block() }
{
  if (block != "list") begin_paragraph()
  line(plain($0))
}

END { end_block() }
