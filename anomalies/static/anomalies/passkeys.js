// Shows that the browser gave no passkey, which django-allauth's script writes to the console only.
"use strict";

document.addEventListener("allauth.error", (event) => {
  event.preventDefault();
  document.getElementById("passkey-error").hidden = false;
});
