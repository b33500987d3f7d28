// SPDX-License-Identifier: LGPL-2.1-or-later
/* The routine of a handle is announced as what it is: an offer that its process alone can
 * call. So people see what is compared with what, and what it costs is known to the next
 * process of the same program. The version is that of the file the routine is in: another
 * build is another routine. */
#include "own.h"

#include <dlfcn.h>
#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

#define ID_CHARS                                                                         \
  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-"
#define NAME_MAX_BYTES 100

static void
insert_version (GVariantDict *about, const Dl_info *where)
{
  gboolean library = where->dli_fname != NULL && strstr (where->dli_fname, ".so") != NULL;
  g_autofree char *version = NULL;
  struct stat file;

  if (stat (library ? where->dli_fname : "/proc/self/exe", &file) < 0)
    return;
  version = g_strdup_printf ("%" G_GINT64_MODIFIER "x.%" G_GINT64_MODIFIER "x",
                             (guint64)file.st_mtim.tv_sec, (guint64)file.st_mtim.tv_nsec);
  g_variant_dict_insert (about, "version", "s", version);
}

static GVariant *
about_us (const Dl_info *where)
{
  const char *program = program_invocation_short_name;
  g_autofree char *name = g_strndup (*program ? program : "program", NAME_MAX_BYTES);
  g_autofree char *id = NULL;
  GVariantDict about;

  g_strcanon (name, ID_CHARS, '_');
  id = g_strconcat ("own:", name, NULL);
  g_variant_dict_init (&about, NULL);
  g_variant_dict_insert (&about, "id", "s", id);
  g_variant_dict_insert (&about, "name", "s", name);
  g_variant_dict_insert (&about, "kind", "s", "in-process");
  insert_version (&about, where);
  return g_variant_dict_end (&about);
}

/* Its name where it has one that others see, else its place in the file. */
static GVariant *
about_routine (const char *capability, gconstpointer routine, const Dl_info *where)
{
  g_autofree char *place
      = g_strdup_printf ("0x%" G_GSIZE_MODIFIER "x",
                         (gsize)((const char *)routine - (const char *)where->dli_fbase));
  GVariantDict about;

  g_variant_dict_init (&about, NULL);
  g_variant_dict_insert (&about, "capability", "s", capability);
  g_variant_dict_insert (&about, "function", "s",
                         where->dli_sname ? where->dli_sname : place);
  g_variant_dict_insert (&about, "pure", "b", TRUE);
  return g_variant_dict_end (&about);
}

/* Announces @routine for as long as @session lasts; gives the number of the offer, 0 with
 * an error when the broker refuses. Waits for its answer. */
guint
moss_ffi_own_announce (MossFfiSession *session,
                       const char *capability,
                       gconstpointer routine,
                       GError **error)
{
  g_auto (MossFfiFrame) answer = { 0 };
  g_autoptr (GVariant) numbers = NULL;
  Dl_info where = { 0 };
  GVariantBuilder offers;
  guint number = 0;

  dladdr (routine, &where);
  g_variant_builder_init (&offers, G_VARIANT_TYPE ("aa{sv}"));
  g_variant_builder_add_value (&offers, about_routine (capability, routine, &where));
  if (!moss_ffi_session_ask (session, MOSS_FFI_FRAME_ANNOUNCE,
                             g_variant_new ("(@a{sv}aa{sv})", about_us (&where), &offers),
                             0, MOSS_FFI_FRAME_ANNOUNCED, &answer, error))
    return 0;
  numbers = g_variant_get_child_value (answer.body, 0);
  if (g_variant_n_children (numbers) == 1)
    g_variant_get_child (numbers, 0, "u", &number);
  return number;
}

/* Tells what a call of it took, unless that would mean waiting. */
void
moss_ffi_own_report (MossFfiSession *session,
                     guint offer,
                     guint64 bytes_in,
                     guint64 bytes_out,
                     double took_us)
{
  guint64 us = (guint64)MAX (round (took_us), 1);

  moss_ffi_session_try_tell (session, MOSS_FFI_FRAME_REPORT, 0,
                             g_variant_new ("(uttttu)", offer, bytes_in, bytes_out, us,
                                            us, (guint)MOSS_FFI_OUTCOME_DONE));
}
