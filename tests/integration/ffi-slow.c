/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A provider whose functions take their time, say how far they are and who they are, and an app
 * that asks for them without end:
 *
 *   ffi-slow offer NAME [MS]   offers "generate turn" (pure) and "generate once" (not)
 *   ffi-slow ask FILE          writes a line for each answer: "turn 3 NAME", "once 4 error …" */
#include "ffi-broker/client/moss-ffi.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TAKES_MS 700
#define PARTS 20
#define VALUE "application/x-moss-value,type=s"

static const char *const functions[] = { "turn", "once" };

static guint takes_ms = TAKES_MS;

static void
say_name (MossFfiInvocation *invocation, gpointer name)
{
  for (guint i = 1; i <= PARTS; i++)
    {
      g_usleep (takes_ms * 1000UL / PARTS);
      moss_ffi_invocation_progress (invocation, (double) i / PARTS);
    }
  moss_ffi_invocation_set_value (invocation, "value", g_variant_new_string (name));
  moss_ffi_invocation_return (invocation);
}

static int
offer (char *name)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *id = g_strdup_printf ("slow-%s", name);
  g_autoptr (MossFfiProvider) provider = moss_ffi_provider_new (id, "1");

  moss_ffi_provider_set_threads (provider, 4);
  for (guint i = 0; i < G_N_ELEMENTS (functions); i++)
    {
      g_autofree char *capability = g_strdup_printf ("generate %s() -> " VALUE, functions[i]);
      GVariantDict about;

      g_variant_dict_init (&about, NULL);
      g_variant_dict_insert (&about, "pure", "b", i == 0);
      if (!moss_ffi_provider_add (provider, capability, g_variant_dict_end (&about), say_name, name,
                                  NULL, &error))
        break;
    }
  if (error == NULL)
    moss_ffi_provider_run (provider, &error);
  fprintf (stderr, "ffi-slow: %s\n", error != NULL ? error->message : "it ended");
  return 1;
}

typedef struct
{
  const char *function;
  const char *path;
} Asking;

/* One answer a line, whole lines: two threads write. */
static void
write_line (const char *path, const char *line)
{
  FILE *file = fopen (path, "a");

  if (file == NULL)
    exit (1);
  fputs (line, file);
  fclose (file);
}

static gpointer
ask_without_end (gpointer data)
{
  Asking *asking = data;
  g_autofree char *request = g_strdup_printf ("generate %s() -> " VALUE, asking->function);

  for (guint i = 1;; i++)
    {
      g_autoptr (GError) error = NULL;
      MossFfiClient *client = moss_ffi_client_get_default (&error);
      g_autoptr (MossFfiResult) result
          = client == NULL ? NULL
                           : moss_ffi_client_call (client, request, NULL, 0, NULL, NULL, &error);
      g_autoptr (GVariant) name
          = result != NULL ? moss_ffi_result_get_value (result, "value") : NULL;
      g_autofree char *line = NULL;

      if (name != NULL)
        line = g_strdup_printf ("%s %u %s\n", asking->function, i,
                                g_variant_get_string (name, NULL));
      else
        line = g_strdup_printf ("%s %u error %s\n", asking->function, i,
                                error != NULL ? error->message : "no value");
      write_line (asking->path, line);
      if (name == NULL)
        g_usleep (TAKES_MS * 1000 / 4);
    }
  return NULL;
}

static int
ask (const char *path)
{
  Asking asking[] = { { functions[0], path }, { functions[1], path } };
  GThread *other = g_thread_new ("once", ask_without_end, &asking[1]);

  ask_without_end (&asking[0]);
  g_thread_join (other);
  return 0;
}

int
main (int argc, char **argv)
{
  if (argc == 4)
    takes_ms = (guint) g_ascii_strtoull (argv[3], NULL, 10);
  if (argc >= 3 && strcmp (argv[1], "offer") == 0)
    return offer (argv[2]);
  if (argc == 3 && strcmp (argv[1], "ask") == 0)
    return ask (argv[2]);
  fprintf (stderr, "usage: ffi-slow offer NAME [MS] | ask FILE\n");
  return 2;
}
