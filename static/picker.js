// Products and collections of a reward, chosen in Shopify's own picker; without it their numbers are typed.
"use strict";

(() => {
  const KINDS = { products: "product", collections: "collection" };
  const number = (gid) => gid.slice(gid.lastIndexOf("/") + 1);

  const pick = async (field, type) => {
    const chosen = field.value.split(/[\s,;]+/).filter(Boolean);
    const kind = type === "product" ? "Product" : "Collection";
    const found = await window.shopify.resourcePicker({
      type,
      multiple: 100,
      action: "select",
      selectionIds: chosen.map((one) => ({ id: `gid://shopify/${kind}/${number(one)}` })),
      filter: { variants: false },
    });
    if (!found) return; // closed without a choice
    field.value = found.map((one) => number(one.id)).join(", ");
    field.dispatchEvent(new Event("input", { bubbles: true }));
    field.dispatchEvent(new Event("change", { bubbles: true }));
  };

  const offer = () => {
    if (!window.shopify?.resourcePicker) return;
    for (const [name, type] of Object.entries(KINDS)) {
      const field = document.querySelector(`#page [name="${name}"]`);
      if (!field || document.getElementById(`pick-${name}`)) continue;
      const isPolaris = field.localName.startsWith("s-"); // whether or not that has come yet
      const button = document.createElement(isPolaris ? "s-button" : "button");
      button.id = `pick-${name}`;
      button.setAttribute("type", "button");
      if (!isPolaris) button.className = "button";
      button.textContent = `Choose ${name}`;
      button.addEventListener("click", () => pick(field, type));
      (isPolaris ? field : field.closest(".field")).after(button);
    }
  };

  document.addEventListener("htmx:after:swap", offer);
  offer();
})();
