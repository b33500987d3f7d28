/* SPDX-License-Identifier: GPL-3.0-or-later */

/* Policy: a message on the private bus may start the services that the runtime has installed: they
 * run as the app does, behind the same filter and with nothing that the app could not start
 * itself, so this is not a border. What is left out would be wrong in here: services that stand
 * for the machine or the person (systemd, log-in, key rings, settings daemons, portals, on-line
 * accounts, input methods, sound), that the desktop itself gives (notifications, tray, screen
 * saver), that open mounts or watch drives, which can't travel, and that read all of a person's
 * files to index them. Whoever calls one of those hears at once that nobody has the name, which
 * apps know from small desktops. An app's own ~/.local/share/dbus-1 is not asked.
 *
 * The bus gets a folder of links to the files that may be used, made once before it starts. */

#include "init.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX 8192
#define SERVICES_MAX 500
#define ENVIRONMENT_MAX 65536

static const char *const folders[] = { "/usr/local/share/dbus-1/services",
                                       "/usr/share/dbus-1/services" };

/* Names, and with a dot at their end all names that begin so. */
static const char *const refused[] = {
  "ca.desrt.dconf", /* settings are in a file that travels; see init-settings.c */
  "com.canonical.",
  "com.redhat.",
  "fi.w1.",
  "net.hadess.",
  "org.a11y.",
  "org.ayatana.",
  "org.blueman.",
  "org.bluez.",
  "org.fcitx.",
  "org.freedesktop.ColorHelper",
  "org.freedesktop.GeoClue2.",
  "org.freedesktop.IBus",
  "org.freedesktop.LocalSearch3",
  "org.freedesktop.LocalSearch3.",
  "org.freedesktop.Notifications",
  "org.freedesktop.PackageKit",
  "org.freedesktop.PowerManagement",
  "org.freedesktop.ScreenSaver",
  "org.freedesktop.Telepathy.",
  "org.freedesktop.Tracker1",
  "org.freedesktop.Tracker1.",
  "org.freedesktop.Tracker3.",
  "org.freedesktop.impl.",
  "org.freedesktop.portal.",
  "org.freedesktop.secrets",
  "org.freedesktop.systemd1",
  "org.gnome.Identity",
  "org.gnome.Nautilus.Tracker3.",
  "org.gnome.OnlineAccounts",
  "org.gnome.ScreenSaver",
  "org.gnome.SettingsDaemon.",
  "org.gnome.Shell.",
  "org.gnome.evolution.dataserver.",
  "org.gnome.keyring",
  "org.gnome.keyring.",
  "org.gtk.GLib.",
  "org.gtk.vfs.",
  "org.kde.KScreen",
  "org.kde.Solid.",
  "org.kde.krunner",
  "org.kde.kded5",
  "org.kde.kded6",
  "org.kde.kglobalaccel",
  "org.kde.kscreen.",
  "org.kde.kwalletd5",
  "org.kde.kwalletd6",
  "org.kde.plasma.",
  "org.kde.plasmashell",
  "org.mate.",
  "org.moss.",
  "org.pulseaudio.",
  "org.xfce.Panel",
  "org.xfce.PowerManager",
  "org.xfce.ScreenSaver",
  "org.xfce.SettingsDaemon",
  "org.xfce.xfdesktop",
};

bool
init_services_may_start (const char *name)
{
  for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
    {
      size_t length = strlen (refused[i]);
      bool prefix = refused[i][length - 1] == '.';

      if (strncmp (name, refused[i], length) == 0 && (prefix || name[length] == '\0'))
        return false;
    }
  return name[0] != '\0';
}

bool
init_services_find_name (const char *text, char *name, size_t size)
{
  while (*text != '\0')
    {
      size_t length = strcspn (text, "\r\n");

      if (length > 5 && length - 5 < size && strncmp (text, "Name=", 5) == 0)
        {
          memcpy (name, text + 5, length - 5);
          for (length -= 5; length > 0 && isspace ((unsigned char) name[length - 1]); length--)
            ;
          name[length] = '\0';
          return length > 0;
        }
      text += length + strspn (text + length, "\r\n");
    }
  return false;
}

static bool
may_use (int folder, const char *file)
{
  int fd = openat (folder, file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  char text[FILE_MAX + 1], name[256];
  ssize_t n = fd >= 0 ? read (fd, text, FILE_MAX) : -1;

  if (fd >= 0)
    close (fd);
  if (n < 0)
    return false;
  text[n] = '\0';
  return init_services_find_name (text, name, sizeof name) && init_services_may_start (name);
}

/* A name that an earlier folder had stays as it is. */
static void
link_folder (const char *path, unsigned *count)
{
  DIR *folder = opendir (path);
  struct dirent *entry;

  while (folder != NULL && *count < SERVICES_MAX && (entry = readdir (folder)) != NULL)
    {
      const char *end = strrchr (entry->d_name, '.');
      char target[512], link[512];

      if (end == NULL || strcmp (end, ".service") != 0 || !may_use (dirfd (folder), entry->d_name))
        continue;
      snprintf (target, sizeof target, "%s/%s", path, entry->d_name);
      snprintf (link, sizeof link, INIT_SERVICES_DIR "/%s", entry->d_name);
      if (symlink (target, link) == 0)
        (*count)++;
    }
  if (folder != NULL)
    closedir (folder);
}

bool
init_services_offer (void)
{
  unsigned count = 0;

  if (mkdir (INIT_SERVICES_DIR, 0755) != 0 || chmod (INIT_SERVICES_DIR, 0755) != 0)
    return false;
  for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++)
    link_folder (folders[i], &count);
  return true;
}

/* Reads the start of a file of /proc/PID as the app's user, which pid 1 may not read as itself. */
static ssize_t
read_proc (pid_t pid, const char *name, char *text, size_t size)
{
  char path[40];
  ssize_t n;
  int fd;

  snprintf (path, sizeof path, "/proc/%d/%s", (int) pid, name);
  init_setup_files_as_app ();
  fd = open (path, O_RDONLY | O_CLOEXEC);
  n = fd >= 0 ? read (fd, text, size - 1) : -1;
  init_setup_files_as_root ();
  if (fd >= 0)
    close (fd);
  text[n > 0 ? n : 0] = '\0';
  return n;
}

/* proc(5): "pid (name) state ppid …"; the name may hold anything. */
static bool
is_child_of (pid_t pid, pid_t parent)
{
  char text[256];
  const char *end;
  int found;

  read_proc (pid, "stat", text, sizeof text);
  end = strrchr (text, ')');
  return end != NULL && sscanf (end + 1, " %*c %d", &found) == 1 && found == parent;
}

/* The bus says so to each service in its environment (D-Bus specification, "Message Bus Starting
 * Services"); many of them leave their parent and can't be told by that. */
static bool
was_started_by_bus (pid_t pid)
{
  static const char mark[] = "DBUS_STARTER_BUS_TYPE=";
  static char text[ENVIRONMENT_MAX + 1];
  ssize_t n = read_proc (pid, "environ", text, sizeof text);

  for (const char *at = text; at < text + n; at += strlen (at) + 1)
    if (strncmp (at, mark, sizeof mark - 1) == 0)
      return true;
  return false;
}

InitServiceKind
init_services_kind (pid_t pid, pid_t bus)
{
  if (was_started_by_bus (pid))
    return INIT_SERVICE;
  return bus > 0 && is_child_of (pid, bus) ? INIT_SERVICE_WATCHER : INIT_SERVICE_NONE;
}
