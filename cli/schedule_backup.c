/* `rota schedule export|import`: schedules as lines (schedule_file.h), for a backup and for another Redis. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/change.h"
#include "cli/connection.h"
#include "cli/lines.h"
#include "cli/orgs.h"
#include "cli/template.h"
#include "common/memory.h"
#include "common/reply.h"
#include "common/schedule_file.h"
#include "common/schedule_own.h"

#define PAGE           100
#define PAGE_BYTES_MAX (4 * 1024 * 1024) /* of the lines of a page; one goes at least */

/* Its lane, and the function that asks for it; of every organization ("") lane 0 has the say. */
static void ask_for(struct cli *cli, const char *org, const char *name, cli_answer_cb *cb, void *ctx)
{
    struct call call = {0};

    call_function(&call, org[0] ? "schedule" : "template", org[0] ? cli_lane(cli, org) : 0);
    if (org[0])
        call_add_string(&call, org);
    call_add_string(&call, name);
    cli_send(cli, &call, cb, ctx);
    call_clear(&call);
}

/* ---- export ---- */

struct export
{
    struct cli *cli;
    FILE *out;
    struct schedule_file *file;
    const char *org; /* "": every one */
    struct buffer line;
    char names[PAGE][SCHEDULE_NAME_BYTES_MAX + 1]; /* of a page */
    size_t count, told;                            /* told: of these, in their order */
    char cursor[SCHEDULE_NAME_BYTES_MAX + 1];      /* of the next page */
};

static void leave_out(struct export *export, const char *name, const struct error *err)
{
    char spoken[SCHEDULE_SPOKEN_BYTES];

    cli_complain(export->cli, EX_DATAERR, "schedule %s is left out: %s", schedule_spoken(spoken, export->org, name),
                 err->message);
}

static int write_line(struct export *export, const struct schedule *schedule, struct error *err)
{
    buffer_reset(&export->line);
    if (schedule_entry_format(&export->line, export->org, schedule, true, err) < 0)
        return err->code;
    buffer_add(&export->line, "\n", 1);
    fwrite(export->line.data, 1, export->line.length, export->out);
    schedule_file_written(export->file, export->line.data, export->line.length);
    return 0;
}

/* A schedule that was asked for. One that is gone by now, or goes, is in no backup, nor one of every organization of which this
 * one says nothing. */
static void on_exported(const struct reply *reply, void *ctx)
{
    struct export *export = ctx;
    const struct reply *fields = reply_at(reply, 1);
    const char *name = export->names[export->told++];
    struct schedule schedule;
    struct error err;

    if (reply_count(fields) == 0)
        return;
    if (schedule_decode(&schedule, name, fields, NULL, &err) < 0) {
        leave_out(export, name, &err);
        return;
    }
    if ((!schedule.of_all || schedule_own_says(&schedule)) && !schedule.removed && write_line(export, &schedule, &err) < 0)
        leave_out(export, name, &err);
    schedule_clear(&schedule);
}

static void on_template_names(const struct reply *reply, void *ctx)
{
    struct export *export = ctx;
    const struct reply *list = reply_at(reply, 3);

    export->count = export->told = 0;
    for (size_t i = 0; i + 2 <= reply_count(list) && export->count < PAGE; i += 2) /* name, fields */
        snprintf(export->names[export->count++], sizeof *export->names, "%s", reply_string(reply_at(list, i)));
}

static void on_names(const struct reply *reply, void *ctx)
{
    struct export *export = ctx;
    const struct reply *list = reply_at(reply, 2);

    snprintf(export->cursor, sizeof export->cursor, "%s", reply_string(reply_at(reply, 1)));
    export->count = export->told = 0;
    for (size_t i = 0; i + 3 <= reply_count(list) && export->count < PAGE; i += 3) /* org, name, fields */
        snprintf(export->names[export->count++], sizeof *export->names, "%s", reply_string(reply_at(list, i + 1)));
}

static int export_named(struct export *export, struct error *err)
{
    for (size_t i = 0; i < export->count; i++)
        ask_for(export->cli, export->org, export->names[i], on_exported, export);
    return cli_settle(export->cli, err);
}

static int export_page(struct export *export, struct error *err)
{
    struct cli *cli = export->cli;
    struct call call = {0};
    int rc;

    call_function(&call, "schedules", cli_lane(cli, export->org));
    call_add_string(&call, export->org);
    call_add_string(&call, export->cursor);
    call_add_int(&call, PAGE);
    rc = cli_call(cli, &call, on_names, export, err);
    call_clear(&call);
    return rc < 0 ? rc : export_named(export, err);
}

/* Those of every organization; all of them fit into a page. */
static int export_templates(struct export *export, struct error *err)
{
    struct call call = {0};
    int rc;

    export->org = "";
    call_function(&call, "templates", 0);
    rc = cli_call(export->cli, &call, on_template_names, export, err);
    call_clear(&call);
    return rc < 0 ? rc : export_named(export, err);
}

static int export_all(struct export *export, const struct names *orgs, struct error *err)
{
    if (cli_argument_count(export->cli) == 0 && export_templates(export, err) < 0)
        return err->code;
    for (size_t i = 0; i < orgs->count; i++) {
        export->org = orgs->items[i];
        export->cursor[0] = '\0';
        do
            if (export_page(export, err) < 0)
                return err->code;
        while (export->cursor[0]);
    }
    buffer_reset(&export->line);
    schedule_file_add_end(export->file, &export->line);
    fwrite(export->line.data, 1, export->line.length, export->out);
    return 0;
}

/* A file takes its name when it is whole: an export that fails leaves the one before. */
static int export_to(struct export *export, const struct names *orgs, const char *path, struct error *err)
{
    char *part = memory_format("%s.part-%ld", path, (long)getpid());
    int rc, failed;

    export->out = fopen(part, "wx");
    if (!export->out) {
        rc = cli_fail(export->cli, err, EX_CANTCREAT, "%s: %s", part, strerror(errno));
        free(part);
        return rc;
    }
    rc = export_all(export, orgs, err);
    failed = fflush(export->out) != 0 || ferror(export->out) || fsync(fileno(export->out)) < 0;
    failed = fclose(export->out) != 0 || failed;
    if (rc == 0 && (failed || rename(part, path) < 0))
        rc = cli_fail(export->cli, err, EX_CANTCREAT, "%s: %s", path, strerror(errno));
    if (rc < 0)
        unlink(part);
    free(part);
    return rc;
}

static int schedule_export(struct cli *cli, struct error *err)
{
    struct export export = {.cli = cli, .out = stdout};
    const char *path = config_string(cli->config, "cli.schedule.to");
    struct names orgs = {0};
    int rc = cli_connect(cli, false, NULL, err);

    if (rc == 0)
        rc = orgs_named(cli, 0, &orgs, err);
    names_sort(&orgs);
    export.file = schedule_file_new();
    if (rc == 0)
        rc = path[0] ? export_to(&export, &orgs, path, err) : export_all(&export, &orgs, err);
    if (rc == 0)
        cli_note(cli, "%zu schedules exported%s%s", schedule_file_count(export.file), path[0] ? " to " : "", path);
    schedule_file_free(export.file);
    buffer_clear(&export.line);
    names_clear(&orgs);
    return rc;
}

/* ---- import ---- */

/* One of a page of lines. */
struct item {
    struct import *import;
    char org[NAME_BYTES_MAX + 1], name[SCHEDULE_NAME_BYTES_MAX + 1];
    size_t line;
    char *definition;                   /* as text */
    bool paused, shadow, own, answered; /* own: what an organization says itself of one of every organization */
};

struct import {
    struct cli *cli;
    struct lines *lines;
    const char *path;
    struct item items[PAGE];
    size_t count, bytes;                                         /* of the page */
    size_t new_ones, changed;                                    /* that were set */
    size_t missing, different, same, paused_other, shadow_other; /* that were compared */
    char first[SCHEDULE_SPOKEN_BYTES];                           /* that is missing or different */
    char removing[SCHEDULE_NAME_BYTES_MAX + 1];                  /* one of every organization that goes; "" */
    char nowhere[SCHEDULE_SPOKEN_BYTES]; /* of which an organization says something, and there is none; "" */
};

/* Sends what is to be done with one entry. */
typedef void import_send(struct item *item, const struct schedule_entry *entry);

static void clear_page(struct import *import)
{
    for (size_t i = 0; i < import->count; i++)
        free(import->items[i].definition);
    import->count = import->bytes = 0;
}

/* Answers come in the order of the calls: the first item without one has failed. */
static int end_page(struct import *import, struct error *err)
{
    int rc = cli_settle(import->cli, err);

    for (size_t i = 0; rc < 0 && i < import->count; i++)
        if (!import->items[i].answered) {
            char name[SCHEDULE_SPOKEN_BYTES];
            error_wrap(err, "%s:%zu: schedule %s", import->path, import->items[i].line,
                       schedule_spoken(name, import->items[i].org, import->items[i].name));
            break;
        }
    clear_page(import);
    return rc;
}

static int add_item(struct import *import, const struct schedule_entry *entry, size_t bytes, import_send *send, struct error *err)
{
    struct item *item = &import->items[import->count];
    struct buffer text = {0};

    if (schedule_entry_format(&text, entry->org, &entry->schedule, false, err) < 0) {
        buffer_clear(&text);
        return err->code;
    }
    *item = (struct item){.import = import,
                          .line = lines_number(import->lines),
                          .definition = buffer_give(&text),
                          .paused = entry->schedule.paused,
                          .shadow = entry->schedule.turns[0] != '\0',
                          .own = schedule_entry_rank(entry) == RANK_OWN};
    memcpy(item->org, entry->org, sizeof item->org);
    memcpy(item->name, entry->schedule.name, sizeof item->name);
    import->count++;
    import->bytes += bytes;
    send(item, entry);
    return import->count == PAGE || import->bytes > PAGE_BYTES_MAX ? end_page(import, err) : 0;
}

/* Goes through all lines of a rank, or all (RANKS). Without `send` they are only looked at. */
static int walk(struct import *import, import_send *send, enum schedule_rank rank, bool strict, struct error *err)
{
    struct schedule_file *file = schedule_file_new();
    struct schedule_entry entry;
    const char *line;
    size_t bytes;
    int rc = lines_rewind(import->lines, err);

    while (rc == 0 && (line = lines_next(import->lines, &bytes, NULL, NULL, &rc, err))) {
        rc = schedule_file_read(file, line, bytes, &entry, err);
        if (rc == 1) {
            rc = send && (rank == RANKS || schedule_entry_rank(&entry) == rank) ? add_item(import, &entry, bytes, send, err) : 0;
            schedule_entry_clear(&entry);
        } else if (rc < 0) {
            error_wrap(err, "%s:%zu", import->path, lines_number(import->lines));
        }
    }
    if (rc == 0)
        rc = end_page(import, err);
    if (rc == 0 && schedule_file_end(file, strict, err) < 0)
        rc = error_wrap(err, "%s", import->path);
    clear_page(import);
    schedule_file_free(file);
    return rc;
}

static void on_set(const struct reply *reply, void *ctx)
{
    struct item *item = ctx;

    item->answered = true;
    item->import->new_ones += reply_is(reply_at(reply, 0), "new");
    item->import->changed += reply_is(reply_at(reply, 0), "changed");
    if (reply_is(reply_at(reply, 0), "removing"))
        memcpy(item->import->removing, item->name, sizeof item->name);
    if (item->own && reply_is(reply_at(reply, 0), "unknown"))
        schedule_spoken(item->import->nowhere, item->org, item->name);
}

static void send_set(struct item *item, const struct schedule_entry *entry)
{
    struct cli *cli = item->import->cli;
    struct call call = {0};

    change_begin(&call, schedule_entry_function(entry), entry->org[0] ? cli_lane(cli, entry->org) : 0);
    schedule_entry_add(entry, cli_now_ms(cli), &call);
    cli_send(cli, &call, on_set, item);
    call_clear(&call);
}

static bool is_as_wanted(const struct item *item, const struct schedule *found)
{
    struct buffer text = {0};
    struct error err;
    bool same = schedule_entry_format(&text, item->org, found, false, &err) == 0 && strcmp(text.data, item->definition) == 0;

    buffer_clear(&text);
    return same;
}

static void on_compared(const struct reply *reply, void *ctx)
{
    struct item *item = ctx;
    struct import *import = item->import;
    const struct reply *fields = reply_at(reply, 1);
    struct schedule found = {.rev = 0};
    struct error err;
    bool is_there = reply_count(fields) > 0, same = is_there && schedule_decode(&found, item->name, fields, NULL, &err) == 0 &&
                                                    !found.removed && found.of_all == item->own && is_as_wanted(item, &found);
    bool paused = item->own ? found.own_paused_by != NULL : found.paused;

    item->answered = true;
    import->missing += !is_there && !item->own; /* an organization that is not known yet: what it has is changed */
    import->different += !same && (is_there || item->own);
    import->same += same;
    import->paused_other += same && paused != item->paused;
    import->shadow_other += same && !item->org[0] && (found.turns[0] != '\0') != item->shadow;
    if (!same && !import->first[0])
        schedule_spoken(import->first, item->org, item->name);
    schedule_clear(&found);
}

static void send_compare(struct item *item, const struct schedule_entry *entry)
{
    ask_for(item->import->cli, entry->org, entry->schedule.name, on_compared, item);
}

static void tell(struct import *import, size_t new_ones, size_t changed, bool dry_run)
{
    struct cli *cli = import->cli;
    size_t all = import->missing + import->different + import->same;

    if (cli->output.format != OUTPUT_TABLE)
        output_object(&cli->output,
                      json_pack("{s:I, s:I, s:I, s:I, s:I, s:b}", "schedules", (json_int_t)all, "new", (json_int_t)new_ones,
                                "changed", (json_int_t)changed, "same", (json_int_t)(all - new_ones - changed),
                                "paused_otherwise", (json_int_t)import->paused_other, "dry_run", dry_run),
                      NULL);
    cli_note(cli, "%zu schedules%s: %zu %snew, %zu %schanged, %zu as they were", all,
             dry_run ? "" : ", read back and as the file says", new_ones, dry_run ? "would be " : "", changed,
             dry_run ? "would be " : "", all - new_ones - changed);
    if (import->paused_other > 0)
        cli_note(cli, "%zu that were there are paused and not so in the file, or the other way round: that is left as it is",
                 import->paused_other);
    if (import->shadow_other > 0)
        cli_note(cli,
                 "%zu of every organization that were there are shadows and not so in the file, or the other way round: the same",
                 import->shadow_other);
}

static int set_all(struct import *import, struct error *err)
{
    if (walk(import, send_set, RANK_OF_ORGS, false, err) < 0 || walk(import, send_set, RANK_OF_ALL, false, err) < 0)
        return error_wrap(err, "%zu schedules new, %zu changed, then", import->new_ones, import->changed);
    if (import->removing[0])
        return cli_fail(import->cli, err, EX_TEMPFAIL,
                        "schedule %s of every organization is being removed: import again when it is gone", import->removing);
    if (template_spread(import->cli, err) < 0)
        return err->code;
    if (walk(import, send_set, RANK_OWN, false, err) < 0)
        return error_wrap(err, "%zu schedules new, %zu changed, then", import->new_ones, import->changed);
    if (import->nowhere[0])
        return cli_fail(
            import->cli, err, EX_DATAERR,
            "the file says what %s has itself of a schedule of every organization, and there is none of that name: all "
            "else is set",
            import->nowhere);
    return 0;
}

/* Sets all, and looks whether all is as the file says. */
static int import_lines(struct import *import, struct error *err)
{
    struct cli *cli = import->cli;

    if (set_all(import, err) < 0)
        return err->code;
    if (walk(import, send_compare, RANKS, false, err) < 0)
        return error_wrap(err, "all is set, but cannot be read back");
    if (import->missing + import->different > 0)
        return cli_fail(cli, err, EX_DATAERR,
                        "read back, %zu of %zu schedules are not as the file says (%zu missing, %zu different), the first is %s: "
                        "somebody else has changed them meanwhile, or the file was changed",
                        import->missing + import->different, import->missing + import->different + import->same, import->missing,
                        import->different, import->first);
    tell(import, import->new_ones, import->changed, false);
    return 0;
}

static int schedule_import(struct cli *cli, struct error *err)
{
    struct import *import = memory_new(sizeof *import);
    bool dry_run = config_bool(cli->config, "cli.dry-run"), strict = config_bool(cli->config, "cli.schedule.strict");
    int rc = 0;

    import->cli = cli;
    import->path = cli_argument(cli, 0);
    import->lines = lines_open(import->path, SCHEDULE_LINE_BYTES_MAX, err);
    if (strcmp(import->path, "-") == 0)
        import->path = "stdin";
    if (!import->lines || lines_keep(import->lines, err) < 0 || walk(import, NULL, RANKS, strict, err) < 0 ||
        cli_connect(cli, true, NULL, err) < 0)
        rc = err->code;
    else if (!dry_run)
        rc = import_lines(import, err);
    else if ((rc = walk(import, send_compare, RANKS, strict, err)) == 0)
        tell(import, import->missing, import->different, true);
    lines_close(import->lines);
    free(import);
    return rc;
}

static const struct config_setting export_settings[] = {
    SETTINGS_CLI,
    FLAG_TEXT("cli.schedule.", "to", "FILE", 4096, "write to this file, which takes its name when it is whole"),
    {0},
};
static const struct config_setting import_settings[] = {
    SETTINGS_CLI,
    SETTING_DRY_RUN,
    FLAG_BOOL("cli.schedule.", "strict", 0, "refuse a file without the line that ends an export"),
    {0},
};

const struct command schedule_backup_commands[] = {
    {"schedule export", "[ORG]...", "Write schedules as lines that rota schedule import reads", export_settings, 0, -1,
     schedule_export,
     "Lines of JSON, whatever the output is, sorted; the last one has the number of schedules and a sum of all bytes before it.\n"
     "What a schedule is, and whether it is paused; not what became of its due times. docs/SCHEDULES.md describes the lines.\n"
     "What organizations say themselves of schedules of every organization is in it; without ORG also these."},
    {"schedule import", "FILE|-", "Set the schedules that a file names", import_settings, 1, 1, schedule_import,
     "The whole file is checked before anything is written. What is the same already stays as it is, with its next due time; "
     "what\n"
     "is new begins with its first due time after now, paused if it was; nothing is removed. Then all is read back and "
     "compared:\n"
     "the exit status is 65 if it is not as the file says. The same again does no harm."},
    {0},
};
