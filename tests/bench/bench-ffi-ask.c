// SPDX-License-Identifier: GPL-3.0-or-later
/* What it would cost to ask the broker on D-Bus who is best, instead of looking into the
 * table: bench-ffi-ask REQUEST [--quick]. The median, as JSON. */
#include <gio/gio.h>
#include <stdlib.h>

static int
by_size (gconstpointer a, gconstpointer b)
{
  gint64 x = *(const gint64 *)a, y = *(const gint64 *)b;

  return x < y ? -1 : x > y;
}

/* Microseconds; ends the program when there is no answer. */
static gint64
ask (GDBusConnection *bus, const char *request)
{
  gint64 began = g_get_monotonic_time ();
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) offers = g_dbus_connection_call_sync (
      bus, "org.moss.FunctionBroker1", "/org/moss/FunctionBroker",
      "org.moss.FunctionBroker1", "Query", g_variant_new ("(s)", request),
      G_VARIANT_TYPE ("(aa{sv})"), G_DBUS_CALL_FLAGS_NONE, -1, NULL, &error);

  if (offers)
    return g_get_monotonic_time () - began;
  g_printerr ("bench-ffi-ask: %s\n", error->message);
  exit (1);
}

int
main (int argc, char **argv)
{
  gboolean quick = argc == 3 && g_str_equal (argv[2], "--quick");
  guint rounds = quick ? 50 : 2000;
  g_autofree gint64 *times = g_new (gint64, rounds);
  g_autoptr (GDBusConnection) bus = g_bus_get_sync (G_BUS_TYPE_SESSION, NULL, NULL);

  if (argc < 2 || bus == NULL)
    return 2;
  for (guint i = 0; i < rounds; i++)
    times[i] = ask (bus, argv[1]);
  qsort (times, rounds, sizeof *times, by_size);
  g_print ("{\"us\": %" G_GINT64_FORMAT ", \"rounds\": %u}\n", times[rounds / 2], rounds);
  return 0;
}
