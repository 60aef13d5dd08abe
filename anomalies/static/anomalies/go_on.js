// Work that goes on from form to form: sends the next one, as the button would.
document.getElementById("go-on").submit();
