// Long work that continues from form to form: sends the next one, as the button would.
document.getElementById("continue").submit();
