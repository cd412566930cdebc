/* Draws the order and its codes anew when the extension in the frame has changed them. */

addEventListener("message", async ({ data, origin }) => {
  if (data !== "checkout changed" || origin !== location.origin) return;
  const page = new DOMParser().parseFromString(await (await fetch(location.pathname)).text(), "text/html");
  for (const id of ["order", "codes"]) document.getElementById(id).replaceWith(page.getElementById(id));
});
