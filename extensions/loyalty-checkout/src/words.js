/* What only the checkout says; all else is in the widget's words. */

export const WORDS = {
  de: { checkoutApply: "Für diese Bestellung verwenden", checkoutApplied: "In dieser Bestellung verwendet.", checkoutFailed: "Der Code {code} konnte hier nicht verwendet werden. Er gehört Ihnen weiterhin; geben Sie ihn von Hand ein." },
  en: { checkoutApply: "Use for this order", checkoutApplied: "Used for this order.", checkoutFailed: "The code {code} could not be used here. It is still yours; enter it by hand." },
  es: { checkoutApply: "Usar en este pedido", checkoutApplied: "Usado en este pedido.", checkoutFailed: "El código {code} no se pudo usar aquí. Sigue siendo suyo; introdúzcalo a mano." },
  fr: { checkoutApply: "Utiliser pour cette commande", checkoutApplied: "Utilisé pour cette commande.", checkoutFailed: "Le code {code} n'a pas pu être utilisé ici. Il reste à vous ; saisissez-le à la main." },
};
