/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a game does with the pointer: a click locks it, and each motion is added up and printed;
 * a key ends that. */
#include <SDL.h>
#include <stdio.h>

static void
paint (SDL_Window *window, int red)
{
  SDL_Surface *surface = SDL_GetWindowSurface (window);

  SDL_FillRect (surface, NULL, SDL_MapRGB (surface->format, red, 60, 90));
  SDL_UpdateWindowSurface (window);
}

int
main (void)
{
  SDL_Window *window;
  SDL_Event event;
  int x = 0, y = 0;

  if (SDL_Init (SDL_INIT_VIDEO) != 0)
    return 1;
  window = SDL_CreateWindow ("Pointer", 0, 0, 400, 300, 0);
  paint (window, 30);
  printf ("driver %s\n", SDL_GetCurrentVideoDriver ());
  fflush (stdout);
  while (SDL_WaitEvent (&event) && event.type != SDL_QUIT)
    {
      if (event.type == SDL_WINDOWEVENT)
        paint (window, 30);
      if (event.type == SDL_MOUSEBUTTONDOWN)
        printf ("locked %d\n", SDL_SetRelativeMouseMode (SDL_TRUE));
      if (event.type == SDL_KEYDOWN)
        printf ("free %d\n", SDL_SetRelativeMouseMode (SDL_FALSE));
      if (event.type == SDL_MOUSEMOTION && SDL_GetRelativeMouseMode ())
        printf ("moved %d %d\n", x += event.motion.xrel, y += event.motion.yrel);
      fflush (stdout);
    }
  SDL_Quit ();
  return 0;
}
