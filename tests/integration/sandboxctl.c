/* SPDX-License-Identifier: GPL-3.0-or-later */

/* A caller of moss-sandboxd for tests: sandboxctl SOCKET COMMAND [ID] …
 * Every answer is printed as GVariant text; images and layers go to and come from a folder. */

#include "moss-dbus-sandboxd.h"
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <gio/gunixfdlist.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/socket.h>
#include <unistd.h>

static GDBusConnection *connection;

static GVariant *
call (const char *method, GVariant *parameters, GUnixFDList *fds, GUnixFDList **out)
{
  g_autoptr (GError) error = NULL;
  GVariant *result = g_dbus_connection_call_with_unix_fd_list_sync (
      connection, NULL, "/org/moss/Sandboxd", "org.moss.Sandboxd1", method, parameters, NULL,
      G_DBUS_CALL_FLAGS_NONE, 60000, fds, out, NULL, &error);

  if (result != NULL)
    return result;
  fprintf (stderr, "%s\n", error->message);
  exit (1);
}

static void
print (GVariant *value)
{
  g_autofree char *text = g_variant_print (value, FALSE);

  puts (text);
  fflush (stdout);
}

static int
read_sealed (const char *dir, const char *name, gsize *size)
{
  g_autofree char *path = g_build_filename (dir, name, NULL);
  g_autofree char *content = NULL;
  int fd = memfd_create (name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

  if (!g_file_get_contents (path, &content, size, NULL))
    exit (3);
  if (write (fd, content, *size) != (gssize) *size)
    exit (3);
  fcntl (fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
  return fd;
}

static void
save_fd (int fd, const char *dir, const char *name)
{
  g_autofree char *path = g_build_filename (dir, name, NULL);
  char buffer[65536];
  gssize n;
  int out = open (path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

  lseek (fd, 0, SEEK_SET);
  while ((n = read (fd, buffer, sizeof buffer)) > 0)
    if (write (out, buffer, n) != n)
      exit (3);
  close (out);
}

static void
save_handle (GUnixFDList *fds, int handle, const char *dir, const char *name)
{
  int fd = g_unix_fd_list_get (fds, handle, NULL);

  save_fd (fd, dir, name);
  close (fd);
}

static int
append_file (GUnixFDList *fds, const char *dir, const char *name, gsize *size)
{
  int fd = read_sealed (dir, name, size);
  int handle = g_unix_fd_list_append (fds, fd, NULL);

  close (fd);
  return handle;
}

/* create ID [--network] [--x11] [--env NAME=value] [--name NAME] -- ARGV… */
static GVariant *
create_options (int argc, char **argv)
{
  GVariantBuilder env;
  GVariantDict dict;
  int i;

  g_variant_builder_init (&env, G_VARIANT_TYPE ("as"));
  g_variant_dict_init (&dict, NULL);
  for (i = 0; i < argc && strcmp (argv[i], "--") != 0; i++)
    {
      if (strcmp (argv[i], "--network") == 0)
        g_variant_dict_insert (&dict, "network", "b", TRUE);
      else if (strcmp (argv[i], "--x11") == 0)
        g_variant_dict_insert (&dict, "x11", "b", TRUE);
      else if (strcmp (argv[i], "--env") == 0)
        g_variant_builder_add (&env, "s", argv[++i]);
      else if (strcmp (argv[i], "--name") == 0)
        g_variant_dict_insert (&dict, "name", "s", argv[++i]);
      else if (strcmp (argv[i], "--variant") == 0) /* NAME VALUE-AS-TEXT: hostile ones */
        {
          GVariant *value = g_variant_parse (NULL, argv[i + 2], NULL, NULL, NULL);

          g_variant_dict_insert_value (&dict, argv[i + 1], value);
          i += 2;
        }
    }
  if (i < argc)
    g_variant_dict_insert_value (
        &dict, "argv", g_variant_new_bytestring_array ((const char *const *) argv + i + 1, -1));
  g_variant_dict_insert_value (&dict, "env", g_variant_builder_end (&env));
  return g_variant_dict_end (&dict);
}

static void
do_dump (const char *id, const char *dir, int n_extra, char **extra)
{
  g_autoptr (GUnixFDList) fds = NULL;
  g_autoptr (GVariant) result = NULL, images = NULL, stats = NULL;
  GVariantIter iter;
  const char *name;
  gint32 handle, index, content;
  guint64 size;

  result = call ("Dump",
                 g_variant_new ("(s@aay)", id,
                                g_variant_new_bytestring_array ((const char *const *) extra,
                                                                n_extra)),
                 NULL, &fds);
  g_variant_get (result, "(@a(sht)hh@a{sv})", &images, &index, &content, &stats);
  mkdir (dir, 0700);
  g_variant_iter_init (&iter, images);
  while (g_variant_iter_next (&iter, "(&sht)", &name, &handle, &size))
    {
      g_autofree char *file = g_strconcat ("image-", name, NULL);

      save_handle (fds, handle, dir, file);
    }
  save_handle (fds, index, dir, "layer-index");
  save_handle (fds, content, dir, "layer-content");
  print (stats);
}

/* ---- pages in a room, rightly and wrongly -------------------------------------------- */

static int
make_room (const char *id, gsize size)
{
  g_autoptr (GUnixFDList) fds = NULL;
  gint32 handle;

  g_variant_get (call ("MakeRoom", g_variant_new ("(st)", id, (guint64) size), NULL, &fds), "(h)",
                 &handle);
  return g_unix_fd_list_get (fds, handle, NULL);
}

/* What a caller must not be able to do to the room once it only reads it. */
static void
try_to_change (int fd)
{
  g_autofree char *path = g_strdup_printf ("/proc/self/fd/%d", fd);

  if (open (path, O_RDWR | O_CLOEXEC) >= 0 || truncate (path, 1) == 0 || ftruncate (fd, 1) == 0
      || fchmod (fd, 0666) == 0 || write (fd, "x", 1) >= 0
      || mmap (NULL, 4096, PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED)
    {
      fprintf (stderr, "the room could be changed after it was handed over\n");
      exit (5);
    }
}

/* A descriptor of the pages in a room. how: right, or what is wrong with it. */
static int
fill_room (const char *id, const char *dir, const char *file, const char *how, gsize *size)
{
  const char *other = "00000000-0000-4000-8000-00000000000f";
  g_autofree char *path = g_build_filename (dir, file, NULL), *self = NULL;
  g_autofree char *content = NULL;
  int writer, reader;

  if (!g_file_get_contents (path, &content, size, NULL))
    exit (3);
  writer = g_str_equal (how, "foreign") ? open (dir, O_TMPFILE | O_RDWR, 0400)
                                        : make_room (g_str_equal (how, "other") ? other : id,
                                                     *size);
  if (write (writer, content, *size) != (gssize) *size)
    exit (3);
  if (g_str_equal (how, "smaller") && ftruncate (writer, *size - 4096) != 0)
    exit (3);
  if (g_str_equal (how, "larger") && ftruncate (writer, *size + 4096) != 0)
    exit (3);
  if (g_str_equal (how, "mapped")
      && mmap (NULL, *size, PROT_READ | PROT_WRITE, MAP_SHARED, writer, 0) == MAP_FAILED)
    exit (3);
  self = g_strdup_printf ("/proc/self/fd/%d", writer);
  reader = open (self, O_RDONLY | O_CLOEXEC);
  if (g_str_equal (how, "itself"))
    return writer;
  if (!g_str_equal (how, "open"))
    close (writer);
  if (!g_str_equal (how, "foreign"))
    try_to_change (reader);
  return reader;
}

/* Rooms are made until none is given, and all are kept and made as large as can be: COUNT BYTES. */
static void
do_hoard (const char *id)
{
  g_autofree char *base = g_strndup (id, 34);
  static const char block[1 << 20];
  guint64 bytes = 0;
  guint n;

  for (n = 0; n < 64; n++)
    {
      g_autofree char *each = g_strdup_printf ("%s%02x", base, n % 3);
      g_autoptr (GUnixFDList) fds = NULL;
      g_autoptr (GVariant) result = g_dbus_connection_call_with_unix_fd_list_sync (
          connection, NULL, "/org/moss/Sandboxd", "org.moss.Sandboxd1", "MakeRoom",
          g_variant_new ("(st)", each, (guint64) 4096), NULL, 0, 60000, NULL, &fds, NULL, NULL);
      gssize got;
      int fd;

      if (result == NULL)
        break;
      fd = g_unix_fd_list_get (fds, 0, NULL);
      while ((got = write (fd, block, sizeof block)) > 0)
        bytes += got;
    }
  printf ("%u %" G_GUINT64_FORMAT "\n", n, bytes);
}

/* The image that has the most pages. */
static char *
find_largest (const char *dir)
{
  g_autoptr (GDir) files = g_dir_open (dir, 0, NULL);
  char *found = NULL;
  const char *file;
  off_t most = 0;

  while ((file = g_dir_read_name (files)) != NULL)
    {
      g_autofree char *path = g_build_filename (dir, file, NULL);
      struct stat st;

      if (!g_str_has_prefix (file, "image-pages-") || stat (path, &st) != 0 || st.st_size < most)
        continue;
      most = st.st_size;
      g_free (found);
      found = g_strdup (file);
    }
  return found;
}

static void
do_restore (const char *id, const char *dir, gboolean network, const char *room)
{
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();
  g_autoptr (GDir) files = g_dir_open (dir, 0, NULL);
  g_autofree char *largest = find_largest (dir);
  g_autoptr (GVariant) result = NULL;
  GVariantBuilder images;
  GVariantDict options;
  const char *file;
  int index, content;
  gsize size;

  g_variant_builder_init (&images, G_VARIANT_TYPE ("a(sht)"));
  while ((file = g_dir_read_name (files)) != NULL)
    if (g_str_has_prefix (file, "image-"))
      {
        gboolean in_room = room != NULL && g_str_equal (file, largest);
        int handle = in_room ? g_unix_fd_list_append (
                                   fds, fill_room (id, dir, file, room, &size), NULL)
                             : append_file (fds, dir, file, &size);

        g_variant_builder_add (&images, "(sht)", file + 6, handle, (guint64) size);
        if (in_room && g_str_equal (room, "twice"))
          g_variant_builder_add (&images, "(sht)", "pages-77.img", handle, (guint64) size);
      }
  index = append_file (fds, dir, "layer-index", &size);
  content = append_file (fds, dir, "layer-content", &size);
  g_variant_dict_init (&options, NULL);
  g_variant_dict_insert (&options, "network", "b", network);
  result = call ("Restore",
                 g_variant_new ("(sa(sht)hh@a{sv})", id, &images, index, content,
                                g_variant_dict_end (&options)),
                 fds, NULL);
  print (result);
}

static void
do_prepare (const char *id, const char *dir)
{
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();
  gsize size;
  int index = append_file (fds, dir, "layer-index", &size);
  int content = append_file (fds, dir, "layer-content", &size);

  print (call ("Prepare", g_variant_new ("(shh)", id, index, content), fds, NULL));
}

static void
do_read_layer (const char *id, const char *dir)
{
  g_autoptr (GUnixFDList) fds = NULL;
  gint32 index, content;

  g_variant_get (call ("ReadLayer",
                       g_variant_new ("(s@aay)", id, g_variant_new_bytestring_array (NULL, 0)),
                       NULL, &fds), "(hh)", &index,
                 &content);
  mkdir (dir, 0700);
  save_handle (fds, index, dir, "layer-index");
  save_handle (fds, content, dir, "layer-content");
}

/* Methods that answer with one fd: saved as FILE. */
static void
do_one_fd (const char *method, GVariant *parameters, const char *file)
{
  g_autoptr (GUnixFDList) fds = NULL;
  gint32 handle;

  g_variant_get (call (method, parameters, NULL, &fds), "(h)", &handle);
  save_handle (fds, handle, ".", file);
}

static void
do_write_file (const char *id, const char *name, const char *dir, const char *file)
{
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();
  gsize size;
  int handle = append_file (fds, dir, file, &size);

  print (call ("WriteFile", g_variant_new ("(s^ayh)", id, name, handle), fds, NULL));
}

static void
on_exited (GDBusConnection *c, const char *sender, const char *path, const char *interface,
           const char *signal, GVariant *parameters, gpointer loop)
{
  print (parameters);
  g_main_loop_quit (loop);
}

static void
do_wait (void)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);

  g_dbus_connection_signal_subscribe (connection, NULL, "org.moss.Sandboxd1", "Exited", NULL,
                                      NULL, 0, on_exited, loop, NULL);
  puts ("waiting");
  fflush (stdout);
  g_main_loop_run (loop);
}

static void
do_connect (const char *id)
{
  g_autoptr (GUnixFDList) fds = NULL;
  gint32 handle;
  char byte;
  int fd;

  g_variant_get (call ("Connect", g_variant_new ("(s)", id), NULL, &fds), "(h)", &handle);
  fd = g_unix_fd_list_get (fds, handle, NULL);
  puts (send (fd, "", 0, MSG_NOSIGNAL) == 0 ? "connected" : "broken");
  if (recv (fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0)
    puts ("closed");
}

/* Says to the display how the desktop looks, as the session does. */
static void
do_setting (const char *id, const char *key, const char *value)
{
  g_autoptr (GUnixFDList) fds = NULL;
  gint32 handle;
  MossWire *wire;
  MossWireMessage *message;
  MossWireRead read = MOSS_WIRE_READ_AGAIN;

  g_variant_get (call ("Connect", g_variant_new ("(s)", id), NULL, &fds), "(h)", &handle);
  wire = moss_wire_new (g_unix_fd_list_get (fds, handle, NULL));
  moss_wire_begin (wire, MOSS_WIRE_HELLO, 0);
  moss_wire_put_u32 (wire, MOSS_WIRE_MAGIC);
  moss_wire_put_u32 (wire, MOSS_WIRE_VERSION);
  moss_wire_put_u32 (wire, MOSS_WIRE_ROLE_CONTROL);
  moss_wire_end (wire);
  moss_wire_begin (wire, MOSS_WIRE_SETTING, 0);
  moss_wire_put_string (wire, key);
  moss_wire_put_string (wire, value);
  moss_wire_end (wire);
  moss_wire_flush (wire);
  for (int i = 0; i < 200; i++)
    {
      while ((read = moss_wire_next (wire, &message)) == MOSS_WIRE_READ_MESSAGE)
        if (message->type == MOSS_WIRE_SETTING_DONE)
          exit (0);
      if (read == MOSS_WIRE_READ_BAD || moss_wire_fill (wire) == MOSS_WIRE_READ_END)
        break;
      g_usleep (5000);
    }
  fprintf (stderr, "the display did not take the setting\n");
  exit (1);
}

int
main (int argc, char **argv)
{
  g_autofree char *address = NULL;
  g_autoptr (GError) error = NULL;
  const char *command, *id, *path;

  if (argc < 3)
    return 2;
  address = g_strconcat ("unix:path=", argv[1], NULL);
  command = argv[2];
  id = argc > 3 ? argv[3] : "";
  path = argc > 4 ? argv[4] : "";
  connection = g_dbus_connection_new_for_address_sync (
      address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT, NULL, NULL, &error);
  if (connection == NULL)
    {
      fprintf (stderr, "%s\n", error->message);
      return 4;
    }
  if (strcmp (command, "Hello") == 0 || strcmp (command, "List") == 0)
    print (call (command, NULL, NULL, NULL));
  else if (strcmp (command, "Create") == 0)
    print (call ("Create",
                 g_variant_new ("(s@a{sv})", id, create_options (argc - 4, argv + 4)), NULL,
                 NULL));
  else if (strcmp (command, "Connect") == 0)
    do_connect (id);
  else if (strcmp (command, "Dump") == 0)
    do_dump (id, path, argc - 5, argv + 5);
  else if (strcmp (command, "Restore") == 0)
    do_restore (id, path, argc > 5 && strcmp (argv[5], "--network") == 0,
                argc > 6 && strcmp (argv[5], "--room") == 0 ? argv[6] : NULL);
  else if (strcmp (command, "MakeRoom") == 0)
    close (make_room (id, 1 << 20));
  else if (strcmp (command, "Hoard") == 0)
    do_hoard (id);
  else if (strcmp (command, "Prepare") == 0)
    do_prepare (id, path);
  else if (strcmp (command, "ReadLayer") == 0)
    do_read_layer (id, path);
  else if (strcmp (command, "ReadMemory") == 0)
    do_one_fd (command, g_variant_new ("(s)", id), path);
  else if (strcmp (command, "ReadFile") == 0 && argc > 5)
    do_one_fd (command, g_variant_new ("(s^ay)", id, path), argv[5]);
  else if (strcmp (command, "WriteFile") == 0 && argc > 6)
    do_write_file (id, path, argv[5], argv[6]);
  else if (strcmp (command, "Setting") == 0 && argc > 5)
    do_setting (id, path, argv[5]);
  else if (strcmp (command, "Wait") == 0)
    do_wait ();
  else
    print (call (command, g_variant_new ("(s)", id), NULL, NULL));
  return 0;
}
