/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli.h"

#include <string.h>

static const MossVerb verb = { "run", "PROGRAM [ARGUMENT…]", "Start", NULL, FALSE };

typedef struct
{
  gboolean network;
  GStrv files;
  GStrv args;
  GError *error;
} Parsed;

static void
parsed_clear (Parsed *parsed)
{
  g_strfreev (parsed->files);
  g_strfreev (parsed->args);
  g_clear_error (&parsed->error);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Parsed, parsed_clear)

/* line: arguments between single spaces. */
static Parsed
parse (const char *line, MossCliParseFlags flags, int min, int max)
{
  Parsed parsed = { 0 };
  const GOptionEntry entries[] = {
    { "network", 'n', 0, G_OPTION_ARG_NONE, &parsed.network, NULL, NULL },
    { "with", 'w', 0, G_OPTION_ARG_FILENAME_ARRAY, &parsed.files, NULL, NULL },
    { NULL }
  };
  g_auto (GStrv) argv = g_strsplit (line, " ", -1);
  g_autofree char **borrowed = g_memdup2 (argv, sizeof *argv * (g_strv_length (argv) + 1));
  MossCall call = { &verb, g_strv_length (argv), borrowed, NULL };

  moss_cli_parse (&call, entries, flags, min, max, &parsed.error);
  parsed.args = call.args;
  return parsed;
}

static void
check_args (const Parsed *parsed, const char *expected)
{
  g_autofree char *joined = g_strjoinv (" ", parsed->args);

  g_assert_no_error (parsed->error);
  g_assert_cmpstr (joined, ==, expected);
}

static void
test_options_belong_to_the_program (void)
{
  g_auto (Parsed) plain = parse ("run foot -n -e sh", MOSS_CLI_PARSE_OPTIONS_FIRST, 1, -1);
  g_auto (Parsed) ours = parse ("run -n foot --with x", MOSS_CLI_PARSE_OPTIONS_FIRST, 1, -1);

  check_args (&plain, "foot -n -e sh");
  g_assert_false (plain.network);
  check_args (&ours, "foot --with x");
  g_assert_true (ours.network);
  g_assert_null (ours.files);
}

static void
test_double_dash (void)
{
  g_auto (Parsed) dash = parse ("run -- foot -n", MOSS_CLI_PARSE_OPTIONS_FIRST, 1, -1);
  g_auto (Parsed) option = parse ("run -n -- --odd-name", MOSS_CLI_PARSE_OPTIONS_FIRST, 1, -1);
  g_auto (Parsed) theirs = parse ("run sh -- -n", MOSS_CLI_PARSE_OPTIONS_FIRST, 1, -1);
  g_auto (Parsed) twice = parse ("run -- sh -- -n", MOSS_CLI_PARSE_OPTIONS_FIRST, 1, -1);

  check_args (&dash, "foot -n");
  check_args (&option, "--odd-name");
  g_assert_true (option.network);
  check_args (&theirs, "sh -- -n");
  check_args (&twice, "sh -- -n");
}

static void
test_options_anywhere (void)
{
  g_auto (Parsed) parsed = parse ("send foot -n laptop -w a -w b", MOSS_CLI_PARSE_PLAIN, 2, 2);

  check_args (&parsed, "foot laptop");
  g_assert_true (parsed.network);
  g_assert_cmpuint (g_strv_length (parsed.files), ==, 2);
}

static void
test_counts (void)
{
  g_auto (Parsed) few = parse ("run", MOSS_CLI_PARSE_PLAIN, 1, 2);
  g_auto (Parsed) many = parse ("run a b c", MOSS_CLI_PARSE_PLAIN, 1, 2);
  g_auto (Parsed) unknown = parse ("run --frobnicate a", MOSS_CLI_PARSE_PLAIN, 1, 2);

  g_assert_error (few.error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_USAGE);
  g_assert_cmpstr (few.error->message, ==,
                   "run: something is missing; it is used as “moss run PROGRAM [ARGUMENT…]”. "
                   "See: moss help run");
  g_assert_error (many.error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_USAGE);
  g_assert_nonnull (strstr (many.error->message, "“c”"));
  g_assert_error (unknown.error, MOSS_CLI_ERROR, MOSS_CLI_ERROR_USAGE);
  g_assert_nonnull (strstr (unknown.error->message, "--frobnicate"));
}

/* What a service says becomes a sentence and an exit status. */
static void
check_error (GError *cause, int code, const char *message)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (moss_cli_fail (&error, MOSS_CLI_SESSION, cause));
  g_assert_error (error, MOSS_CLI_ERROR, code);
  g_assert_nonnull (strstr (error->message, message));
  g_assert_null (strstr (error->message, "GDBus"));
}

static void
test_errors (void)
{
  check_error (g_dbus_error_new_for_dbus_error ("org.moss.Error.NotFound", "nothing there"),
               MOSS_CLI_ERROR_NOT_FOUND, "nothing there");
  check_error (g_dbus_error_new_for_dbus_error ("org.moss.Error.NotTravelable",
                                                "it has /dev/dri/card0 open"),
               MOSS_CLI_ERROR_NOT_TRAVELABLE, "it has /dev/dri/card0 open");
  check_error (g_dbus_error_new_for_dbus_error ("org.moss.Error.Away", "laptop is away\033[1m"),
               MOSS_CLI_ERROR_FAILED, "laptop is away\xef\xbf\xbd[1m");
  check_error (g_dbus_error_new_for_dbus_error ("org.freedesktop.DBus.Error.ServiceUnknown", "x"),
               MOSS_CLI_ERROR_FAILED, "no Moss session is running here");
  check_error (g_dbus_error_new_for_dbus_error ("org.freedesktop.DBus.Error.NoReply", "x"),
               MOSS_CLI_ERROR_FAILED, "moss-session ended before it answered");
  check_error (g_dbus_error_new_for_dbus_error ("org.freedesktop.DBus.Error.UnknownMethod", "x"),
               MOSS_CLI_ERROR_FAILED, "another version");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/cli/args/options-belong-to-the-program",
                   test_options_belong_to_the_program);
  g_test_add_func ("/cli/args/double-dash", test_double_dash);
  g_test_add_func ("/cli/args/options-anywhere", test_options_anywhere);
  g_test_add_func ("/cli/args/counts", test_counts);
  g_test_add_func ("/cli/args/errors", test_errors);
  return g_test_run ();
}
